"""The DuckDB part of a template: which SQL, and what is published.

::

    entrypoint: marts.sql         # a file of the bundle, or, without a bundle, in its place
    config:
      sql: "create table mart as select … from flights where day = $day"   # one or several statements
      publish: {daily: mart}      # output -> table or view; the one of the output's own name when left out
      threads: 2
      parquet: true               # results whole, as artifacts; the run's result has the first rows of the last anyway

Inputs are there by their names, as views: tables at their pinned version, and files (.parquet, .csv, .json, .ndjson).
Params are bound by name, ``$day``; cast what JSON has no type for: ``$day::date``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from executors.runtime.sql_config import flag, invalid, script

# The conformance kit's workload, which executors.duckdb.drill does with statements of its own.
DRILL = "conformance:run"
KEYS = ("sql", "publish", "threads", "parquet")
MOST_THREADS = 256


@dataclass(frozen=True)
class DuckdbConfig:
    """See the module's text. ``script``: of ``sql``, or of the entrypoint's ``file``."""

    script: str
    file: str | None = None
    publish: Mapping[str, str] = field(default_factory=dict)
    threads: int | None = None
    parquet: bool = True


def parse_config(job: Mapping[str, Any]) -> DuckdbConfig:
    """Read a job's config and script; TaskError (user, ``config_invalid`` and the like) says which key is wrong."""
    raw = dict(job.get("config") or {})
    if unknown := sorted(set(raw) - set(KEYS)):
        raise invalid(unknown[0], f"is unknown; known keys: {', '.join(KEYS)}")
    file = str(job["entrypoint"]) if job.get("entrypoint") else None
    outputs = {output["name"] for output in job.get("outputs") or []}
    return DuckdbConfig(
        script=script(raw.get("sql"), file, job.get("bundle_dir")),
        file=file,
        publish={**{name: name for name in sorted(outputs)}, **published(raw.get("publish"), outputs)},
        threads=threads(raw.get("threads")),
        parquet=flag("parquet", raw.get("parquet", True)),
    )


def published(value: Any, outputs: set[str]) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(isinstance(each, str) and each for each in value.values()):
        raise invalid("publish", "must be an object: output -> table or view")
    if strange := sorted(set(value) - outputs):
        names = ", ".join(sorted(outputs)) or "none"
        raise invalid(f"publish.{strange[0]}", f"is no output of the template (outputs: {names})")
    return dict(value)


def threads(value: Any) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST_THREADS):
        return value
    raise invalid("threads", f"must be a whole number from 1 to {MOST_THREADS}")
