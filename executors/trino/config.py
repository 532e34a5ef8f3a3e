"""The Trino part of a template: which SQL, how values are bound, what is kept.

::

    entrypoint: report.sql        # a file of the bundle, or, without a bundle, in its place
    config:
      sql: "SELECT … WHERE day = :day"   # one or several statements; not beside an entrypoint
      catalog: iceberg            # for names that say none; the executor's when left out
      schema: sales
      types: {day: date}          # the SQL type of a param; what its JSON says when left out
      parameters: [day]           # the params of bare "?" marks, in order; `:name` needs none of it
      session: {join_distribution_type: BROADCAST}
      read_only: true             # refuse statements that write; a lost run may then be run again
      plan: true                  # queries.json with EXPLAIN (FORMAT JSON) of each statement; false: faster, without
      parquet: true               # the whole result as an artifact; the first rows are in the run's result anyway
      connection: warehouse       # a declared connection of kind trino; the executor's own when left out
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from executors.runtime.failures import TaskError
from executors.runtime.sql_config import flag, invalid, mapping, names, script, words
from executors.trino.statements import Statement, split

# The conformance kit's workload, which executors.trino.drill does with statements of its own.
DRILL = "conformance:run"
TEXTS = ("sql", "catalog", "schema", "connection")
FLAGS = {"read_only": False, "plan": True, "parquet": True}
KEYS = frozenset({*TEXTS, *FLAGS, "types", "parameters", "session"})
SESSION_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.]*")
OWN_CONNECTION = "trino"


@dataclass(frozen=True)
class TrinoConfig:
    """See the module's text. ``statements`` are those of ``sql``, or of the entrypoint's file."""

    statements: tuple[Statement, ...]
    file: str | None = None
    catalog: str | None = None
    schema: str | None = None
    connection: str = OWN_CONNECTION
    types: Mapping[str, str] = field(default_factory=dict)
    parameters: tuple[str, ...] = ()
    session: Mapping[str, str] = field(default_factory=dict)
    read_only: bool = False
    plan: bool = True
    parquet: bool = True


def parse_config(job: Mapping[str, Any]) -> TrinoConfig:
    """Read a job's config and script; TaskError (user, ``config_invalid`` and the like) says which key is wrong."""
    raw = dict(job.get("config") or {})
    if unknown := sorted(set(raw) - KEYS):
        raise invalid(unknown[0], f"is unknown; known keys: {', '.join(sorted(KEYS))}")
    texts = {key: words(key, raw.get(key)) for key in TEXTS}
    flags = {key: flag(key, raw.get(key, default)) for key, default in FLAGS.items()}
    file = str(job["entrypoint"]) if job.get("entrypoint") else None
    config = TrinoConfig(
        statements=tuple(split(script(texts["sql"], file, job.get("bundle_dir")))),
        file=file,
        catalog=texts["catalog"],
        schema=texts["schema"],
        connection=texts["connection"] or OWN_CONNECTION,
        types=mapping("types", raw.get("types")),
        parameters=names("parameters", raw.get("parameters")),
        session=session(mapping("session", raw.get("session"))),
        **flags,
    )
    check(config)
    return config


def check(config: TrinoConfig) -> None:
    if not config.statements:
        raise TaskError("user", "sql_missing", "the script holds no statement; write at least one")
    for number, statement in enumerate(config.statements, 1):
        if statement.is_transaction:
            text = f"statement {number}: every statement commits by itself; leave {statement.words[0].upper()} out"
            raise TaskError("user", "statement_unsupported", text, position=position(config, number))
        if config.read_only and statement.kind == "write":
            head = " ".join(statement.words[:2]).upper()
            text = f"statement {number} ({head} …) writes, but config.read_only is true; leave one of them out"
            raise TaskError("user", "read_only", text, position=position(config, number))


def position(config: TrinoConfig, number: int, line: int = 1, column: int = 1) -> dict[str, Any]:
    """Where in the script: ``{statement, line, column}``, and ``file`` when it came from the bundle."""
    there = config.statements[number - 1].place(line, column)
    found = {"statement": number, "line": there[0], "column": there[1]}
    return {"file": config.file, **found} if config.file else found


def session(given: dict[str, str]) -> dict[str, str]:
    if wrong := [name for name in given if not SESSION_NAME.fullmatch(name)]:
        raise invalid(f"session.{wrong[0]}", "is no name of a session property")
    return given
