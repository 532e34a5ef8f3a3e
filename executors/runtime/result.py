"""What a task may return: JSON that the contract and its store can hold. Checked in the child, where the mistake is
told best, and again when it arrives: any program may write to the control pipe."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from executors.runtime.failures import TaskError
from executors.runtime.text import clean_text

RESULT_LIMIT_BYTES = 1024 * 1024
# Readers of JSON give up between 200 and 1000 levels, and the report adds some of its own.
RESULT_LIMIT_LEVELS = 100


def as_result(value: Any) -> dict[str, Any]:
    """The JSON object of a return value: None -> {}, a mapping as it is, anything else below ``value``.

    TaskError (user, result_not_json or result_too_large) for what cannot be one.
    """
    result = {} if value is None else dict(value) if isinstance(value, Mapping) else {"value": value}
    try:
        size = len(json.dumps(result, allow_nan=False).encode())
    except (TypeError, ValueError) as error:
        text = f"the return value is not JSON: {error}; return numbers, texts, lists and dicts, or publish data"
        raise TaskError("user", "result_not_json", text) from error
    except RecursionError:
        raise too_deep() from None
    if size > RESULT_LIMIT_BYTES:
        text = f"the result has {size} bytes, over {RESULT_LIMIT_BYTES}; write an artifact instead"
        raise TaskError("user", "result_too_large", text)
    if levels(result) > RESULT_LIMIT_LEVELS:
        raise too_deep()
    return result


def arrived_result(value: Any) -> dict[str, Any]:
    """A result as it came through the pipe. TaskError as for :func:`as_result`, and for text that cannot be stored."""
    result = as_result(value)
    if not all(clean_text(text) == text for text in texts(result)):
        raise TaskError("user", "result_not_json", "the result holds U+0000 or half a character; clean its texts")
    return result


def too_deep() -> TaskError:
    text = f"the result is nested deeper than {RESULT_LIMIT_LEVELS} levels; flatten it, or write an artifact"
    return TaskError("user", "result_not_json", text)


def members(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return list(value.values())
    return list(value) if isinstance(value, list | tuple) else []


def levels(value: Any) -> int:
    """How deep lists and objects are nested. No recursion: it is there to find what is too deep for that."""
    depth, level = 0, [value]
    while level := [one for one in level if isinstance(one, Mapping | list | tuple)]:
        depth += 1
        if depth > RESULT_LIMIT_LEVELS:
            break
        level = [member for one in level for member in members(one)]
    return depth


def texts(value: Any) -> list[str]:
    """All strings of a JSON value, keys included; its depth is checked before."""
    if isinstance(value, str):
        return [value]
    keys = list(value) if isinstance(value, Mapping) else []
    return [*keys, *(text for member in members(value) for text in texts(member))]
