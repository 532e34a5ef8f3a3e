"""What templates of SQL kinds have in common: where the script comes from, and how a wrong key is told."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from decimal import InvalidOperation
from pathlib import Path
from typing import Any

from executors.runtime.failures import TaskError

LARGEST_SCRIPT = 4 * 1024 * 1024
NO_WORD = re.compile(r"\W")


def script(sql: Any, file: str | None, bundle_dir: str | None) -> str:
    """The text that is run, of ``config.sql`` or of the entrypoint; TaskError (user) when there is none, or two."""
    if sql is not None and file is not None:
        raise invalid("sql", f"stands beside the entrypoint {file!r}; give one of them")
    if sql is not None:
        if not isinstance(sql, str) or not sql.strip():
            raise invalid("sql", "must be a text")
        return sql
    if file is None:
        text = "the template has no SQL; give config.sql, or a bundle and an entrypoint"
        raise TaskError("user", "sql_missing", text)
    return script_file(file, Path(str(bundle_dir)) / file)


def script_file(name: str, path: Path) -> str:
    """The text of a file of the bundle; TaskError (user) when it is none that can be run."""
    if not name.endswith(".sql"):
        raise TaskError("user", "entrypoint_invalid", f"entrypoint {name!r} is no .sql file")
    if not path.is_file():
        raise TaskError("user", "entrypoint_missing", f"the bundle has no file {name!r}")
    if path.stat().st_size > LARGEST_SCRIPT:
        raise TaskError("user", "sql_too_large", f"{name} is over {LARGEST_SCRIPT:,} bytes; split it")
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise TaskError("user", "sql_not_text", f"{name} is not UTF-8: {error}") from None


def values(job: Mapping[str, Any]) -> dict[str, Any]:
    """What SQL can name: the run's params, and of each table input its version and address, as ``NAME_version`` and
    ``NAME_uri`` (a dot or dash of the name becomes an underscore). TaskError (user) where two would have one name: a
    param must not pass for the version that the run is on record with."""
    found: dict[str, Any] = {}
    for item in job.get("inputs") or []:
        if item.get("version") is not None:
            name = NO_WORD.sub("_", str(item["name"]))
            if f"{name}_version" in found:
                raise TaskError("user", "parameter_invalid", f"two inputs are {name} in SQL; rename one")
            found |= {f"{name}_version": item["version"], f"{name}_uri": item.get("uri")}
    params = dict(job.get("params") or {})
    if both := sorted(found.keys() & params.keys()):
        text = f"param {both[0]!r} has the name of an input's version or address; rename the param"
        raise TaskError("user", "parameter_invalid", text)
    return found | params


def flag(key: str, value: Any) -> bool:
    """A config's true or false."""
    if isinstance(value, bool):
        return value
    raise invalid(key, "must be true or false")


def words(key: str, value: Any) -> str | None:
    """A config's text, if there is one."""
    if value is None or (isinstance(value, str) and value.strip()):
        return value
    raise invalid(key, "must be a text")


def names(key: str, value: Any) -> tuple[str, ...]:
    """A config's list of params."""
    if value is None:
        return ()
    if isinstance(value, list) and all(isinstance(name, str) and name for name in value):
        return tuple(value)
    raise invalid(key, "must be a list of names of params")


def mapping(key: str, value: Any) -> dict[str, str]:
    """A config's names with texts; numbers and truths become texts."""
    if value is None:
        return {}
    if isinstance(value, Mapping) and all(isinstance(each, str | int | float) for each in value.values()):
        return {str(name): text_of(each) for name, each in value.items()}
    raise invalid(key, "must be a mapping of names to texts")


def text_of(value: str | float) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def invalid(key: str, what: str) -> TaskError:
    """The error of a run whose template has a wrong config."""
    return TaskError("user", "config_invalid", f"the template's config.{key} {what}")


def expression(
    name: str,
    params: Mapping[str, Any],
    types: Mapping[str, str],
    typed: Callable[[Any, str], str],
    literal: Callable[[Any], str],
) -> str:
    """A param's value as SQL: by ``typed`` where it has a declared type, else by ``literal``.

    TaskError (user, parameter_missing or parameter_invalid) names the param; the two raise ValueError, TypeError or
    InvalidOperation for a value that does not fit.
    """
    if name not in params:
        have = ", ".join(sorted(params)) or "none"
        raise TaskError("user", "parameter_missing", f"the run has no param {name!r} (it has: {have})")
    value, declared = params[name], types.get(name)
    try:
        return typed(value, declared) if declared else literal(value)
    except (ValueError, TypeError, InvalidOperation) as error:
        shown = json.dumps(value, default=str)[:100]
        text = f"param {name!r} is {shown}, which is no {declared or 'value that SQL can bind'}: {error}"
        raise TaskError("user", "parameter_invalid", text) from None
