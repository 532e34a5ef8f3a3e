"""Regular expressions of users, matched in linear time.

Python's `re` backtracks: `^(a+)+$` takes time exponential in the length of a text. The engine here is the one of
pydantic-core (Rust's regex), which has neither look-around nor back-references and never backtracks. A match costs
about length of the text times size of the pattern, so both are bounded.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from pydantic_core import SchemaError, SchemaValidator, ValidationError, core_schema

MAX_PATTERN = 1000
MAX_REPEATS = 1000
MAX_TEXT = 10_000
_COUNTED = re.compile(r"\{(\d{1,9})(?:,(\d{0,9}))?\}")


class PatternError(ValueError):
    """The pattern cannot be used; the text says why and what to do."""


def repeats(pattern: str) -> int:
    """How often its counted repetitions multiply it, at the most: 62 for `[a-z]{1,62}`, 100 for `(a{10}){10}`."""
    product = 1
    for low, high in _COUNTED.findall(pattern):
        product *= max(1, int(high or low))
    return product


def weight(pattern: str) -> int:
    """About how large the compiled pattern is; no unit."""
    return len(pattern) * repeats(pattern)


@lru_cache(maxsize=512)
def compiled(pattern: str) -> SchemaValidator:
    """The pattern, ready. Raises PatternError."""
    if len(pattern) > MAX_PATTERN:
        raise PatternError(f"is a pattern of {len(pattern)} characters; at most {MAX_PATTERN} are taken")
    if repeats(pattern) > MAX_REPEATS:
        raise PatternError(
            f"{pattern!r} repeats by count more than {MAX_REPEATS} times in all; use maxLength for long texts"
        )
    schema: Any = core_schema.str_schema(pattern=pattern, regex_engine="rust-regex", strict=True)
    try:
        return SchemaValidator(schema)
    except SchemaError as error:
        raise PatternError(f"{pattern!r} is not a pattern that can be used: {_reason(str(error))}") from None


def _reason(text: str) -> str:
    last = text.strip().splitlines()[-1]
    return last.removeprefix("error: ").strip()


def found(pattern: str, text: str) -> bool:
    """Whether the pattern matches anywhere in the text (as JSON Schema means it). Raises PatternError."""
    ready = compiled(pattern)
    if len(text) > MAX_TEXT:
        raise PatternError(f"a text of {len(text)} characters is too long for a pattern; at most {MAX_TEXT}")
    try:
        ready.validate_python(text)
    except ValidationError:
        return False
    return True
