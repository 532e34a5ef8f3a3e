"""What templates of SQL kinds have in common: where the script comes from, and how a wrong key is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from executors.runtime.failures import TaskError

LARGEST_SCRIPT = 4 * 1024 * 1024


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


def flag(key: str, value: Any) -> bool:
    """A config's true or false."""
    if isinstance(value, bool):
        return value
    raise invalid(key, "must be true or false")


def invalid(key: str, what: str) -> TaskError:
    """The error of a run whose template has a wrong config."""
    return TaskError("user", "config_invalid", f"the template's config.{key} {what}")
