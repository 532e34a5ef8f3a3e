"""The Spark part of a template: which SQL or code, on which driver, how values are bound, what is kept.

::

    entrypoint: report.sql        # of the bundle: an SQL script, or code: job.py, module:function
    config:
      sql: "SELECT … WHERE day = :day"   # in place of an entrypoint; one or several statements
      mode: connect               # a session on the warm server, or isolated: a driver of the run's own
      catalog: iceberg            # of names that say none
      schema: sales
      types: {day: date}          # the SQL type of a param; what its JSON says when left out
      parameters: [day]           # the params of bare "?" marks, in order; `:name` needs none of it
      conf: {spark.sql.shuffle.partitions: 8}   # of the session; of the driver, too, when isolated
      read_only: true             # refuse statements that write; a lost run may then be run again
      plan: true                  # queries.json with the plan and figures of each statement
      parquet: true               # the whole result as an artifact; the first rows are in the run's result anyway
      connection: cluster         # a declared connection of kind spark; the executor's own when left out
      submit: {file: job.jar, class: a.Main, args: [...]}   # an application for spark-submit: executors.spark.submit
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from executors.runtime.failures import TaskError
from executors.runtime.sql_config import flag, invalid, mapping, names, script, words
from executors.spark.statements import Statement, split
from executors.spark.submit import Submit, submit_of

# The conformance kit's workload, which executors.spark.drill does with statements of its own.
DRILL = "conformance:run"
CONNECT, ISOLATED, SUBMIT = "connect", "isolated", "submit"
TEXTS = ("sql", "mode", "catalog", "schema", "connection")
FLAGS = {"read_only": False, "plan": False, "parquet": True}
KEYS = frozenset({*TEXTS, *FLAGS, "types", "parameters", "conf", "submit"})
SQL_ONLY = ("sql", "types", "parameters", "plan", "parquet", "read_only")
SESSION_ONLY = (*SQL_ONLY, "mode", "catalog", "schema")
CONF_NAME = re.compile(r"spark\.[A-Za-z0-9_.\-]+")
# Settings that load code or start programs, that are of the cluster, or by which the platform holds a run's driver.
OPERATOR_S = re.compile(
    r"""spark\.(?: (?:jars|plugins|submit|connect|kubernetes|yarn|executorEnv|launcher|r|pyspark)(?:\..*)?
      | files | archives | extraListeners | master | home | python\.(?:daemon|worker)\.module
      | local\.dir | driver\.(?:host|bindAddress)
      | sql\.(?:extensions | queryExecutionListeners | streaming\.streamingQueryListeners | hive\.metastore\.jars.*)
      | .*(?:extraJavaOptions | defaultJavaOptions | extraClassPath | LibraryPath | userClassPathFirst)
      | memory\.offHeap\..* | executor\.instances | dynamicAllocation\..*
      | .*\.(?:memory | memoryOverhead(?:Factor)? | discoveryScript) )""",
    re.VERBOSE | re.IGNORECASE,
)
# A properties file has one setting a line.
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
OWN_CONNECTION = "spark"


@dataclass(frozen=True)
class SparkConfig:
    """See the module's text. ``statements`` are those of ``sql``, or of the entrypoint's file; none for code."""

    statements: tuple[Statement, ...] = ()
    file: str | None = None
    mode: str | None = None
    catalog: str | None = None
    schema: str | None = None
    connection: str = OWN_CONNECTION
    types: Mapping[str, str] = field(default_factory=dict)
    parameters: tuple[str, ...] = ()
    conf: Mapping[str, str] = field(default_factory=dict)
    read_only: bool = False
    plan: bool = False
    parquet: bool = True
    submit: Submit | None = None


def is_submit(job: Mapping[str, Any]) -> bool:
    """Whether a job is an application for spark-submit."""
    return dict(job.get("config") or {}).get("submit") is not None and not job.get("entrypoint")


def is_code(job: Mapping[str, Any]) -> bool:
    """Whether a job is Python of its author, and no SQL."""
    entrypoint = str(job.get("entrypoint") or "")
    return entrypoint not in ("", DRILL) and not entrypoint.endswith(".sql")


def config_of(job: Mapping[str, Any]) -> SparkConfig:
    """As :func:`parse_config`; the conformance kit's workload has none."""
    return SparkConfig() if job.get("entrypoint") == DRILL else parse_config(job)


def parse_config(job: Mapping[str, Any]) -> SparkConfig:
    """Read a job's config and script; TaskError (user, ``config_invalid`` and the like) says which key is wrong."""
    raw = dict(job.get("config") or {})
    if unknown := sorted(set(raw) - KEYS):
        raise invalid(unknown[0], f"is unknown; known keys: {', '.join(sorted(KEYS))}")
    code, submit = is_code(job), submit_of(raw.get("submit"))
    if submit and job.get("entrypoint"):
        raise invalid("submit", f"stands beside the entrypoint {job['entrypoint']!r}; give one of them")
    if submit and (strange := [key for key in SESSION_ONLY if key in raw]):
        raise invalid(strange[0], "is of sessions, but config.submit is an application of its own; leave it out")
    if code and (strange := [key for key in SQL_ONLY if key in raw]):
        raise invalid(strange[0], f"is of SQL, but the entrypoint {job['entrypoint']!r} is code; leave it out")
    texts = {key: words(key, raw.get(key)) for key in TEXTS}
    flags = {key: flag(key, raw.get(key, default)) for key, default in FLAGS.items()}
    file = str(job["entrypoint"]) if job.get("entrypoint") else None
    config = SparkConfig(
        statements=() if code or submit else tuple(split(script(texts["sql"], file, job.get("bundle_dir")))),
        file=file,
        mode=mode(texts["mode"]),
        catalog=texts["catalog"],
        schema=texts["schema"],
        connection=texts["connection"] or OWN_CONNECTION,
        types=mapping("types", raw.get("types")),
        parameters=names("parameters", raw.get("parameters")),
        conf=conf(mapping("conf", raw.get("conf"))),
        submit=submit,
        **flags,
    )
    if not code and not submit:
        check(config)
    return config


def check(config: SparkConfig) -> None:
    if not config.statements:
        raise TaskError("user", "sql_missing", "the script holds no statement; write at least one")
    for number, statement in enumerate(config.statements, 1):
        if config.read_only and statement.kind == "write":
            head = " ".join(statement.words[:2]).upper()
            text = f"statement {number} ({head} …) writes, but config.read_only is true; leave one of them out"
            raise TaskError("user", "read_only", text, position=position(config, number))


def position(config: SparkConfig, number: int, line: int = 1, column: int = 1) -> dict[str, Any]:
    """Where in the script: ``{statement, line, column}``, and ``file`` when it came from the bundle."""
    there = config.statements[number - 1].part.place(line, column)
    found = {"statement": number, "line": there[0], "column": there[1]}
    return {"file": config.file, **found} if config.file else found


def mode(given: str | None) -> str | None:
    if given in (None, CONNECT, ISOLATED):
        return given
    raise invalid("mode", f"is {given!r}; give {CONNECT} or {ISOLATED}")


def conf(given: dict[str, str]) -> dict[str, str]:
    """Settings that a template may make; the operator's own are refused, not left out."""
    for name, value in given.items():
        if not CONF_NAME.fullmatch(name):
            raise invalid(f"conf.{name}", "is no name of a Spark setting (spark.…)")
        if CONTROL.search(value):
            raise invalid(f"conf.{name}", "has a line break or another control character in its value; take it out")
        if OPERATOR_S.fullmatch(name):
            where = "have the operator put it into OPS_SPARK_PROPERTIES_FILE, or among the server's settings"
            raise invalid(
                f"conf.{name}", f"is no template's to set; leave it out, or {where} (memory: caps.memory_bytes)"
            )
    return given
