"""The dbt part of a template: what to run, and which models become which outputs.

::

    config:
      command: build              # build | run | test | seed | snapshot | compile | source freshness | docs generate
      select: [tag:daily]         # text or list, as dbt's --select
      exclude: []
      vars: {start: 2013-01-01}   # the run's params are vars too, and win
      threads: 2                  # 1 to 16
      full_refresh: false
      resume: true                # go on where an earlier attempt at the same work ended (dbt retry); false: anew
      state: last_success         # only what is modified since the template's last success, and what depends on it
      defer: false                # beside state: what is not built here is read where that run built it
      docs: true                  # the project's documentation as one page, index.html; false: faster, without
      adapter: duckdb             # duckdb: a file of the run; trino, spark: the tables are theirs, and outputs are none
      connection: warehouse       # trino, spark: a declared connection of this kind; the executor's own when left out
      catalog: iceberg            # trino, spark: where models go; the connection's, or Spark's own, when left out
      schema: marts
      publish: {output: model}    # each declared output's model, seed or snapshot, by name
      sources:                    # how inputs come in; all of it optional
        flights: {columns: [carrier, dep_delay], materialize: view}   # table (default): one read into DuckDB
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from executors.runtime.failures import TaskError
from executors.runtime.sql_config import flag, invalid, values

# The conformance kit's workload, done with statements on DuckDB, the engine that dbt brings along.
DRILL = "conformance:run"
FRESHNESS, DOCS = "source freshness", "docs generate"
COMMANDS = ("build", "run", "test", "seed", "snapshot", "compile", FRESHNESS, DOCS)
# What dbt itself can take up again.
RESUMABLE = frozenset({"build", "run", "test", "seed", "snapshot", "compile"})
TAKES_STATE = frozenset({"build", "run", "test", "seed", "snapshot", "compile"})
ADAPTERS = ("duckdb", "trino", "spark")
# Adapters to which the tables belong; the executor's own connection has the name of its kind.
ENGINES = ("trino", "spark")
PLACES = ("connection", "catalog", "schema")
FLAGS = frozenset({"full_refresh", "docs", "resume", "defer"})
KEYS = (
    frozenset({"command", "select", "exclude", "vars", "threads", "publish", "sources", "state", "adapter", *PLACES})
    | FLAGS
)
SOURCE_KEYS = frozenset({"columns", "materialize"})
TAKES_FULL_REFRESH = frozenset({"build", "run", "seed", "compile"})
MAX_THREADS = 16


@dataclass(frozen=True)
class SourceConfig:
    """How one input comes in: ``columns`` (None: all) and ``materialize`` (table or view)."""

    columns: tuple[str, ...] | None = None
    materialize: str = "table"


@dataclass(frozen=True)
class DbtConfig:
    """See the module's text."""

    command: str = "build"
    select: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    vars: Mapping[str, Any] = field(default_factory=dict)
    threads: int = 2
    full_refresh: bool = False
    docs: bool = True
    resume: bool = True
    defer: bool = False
    state: str | None = None
    adapter: str = "duckdb"
    connection: str = ""
    catalog: str | None = None
    schema: str | None = None
    publish: Mapping[str, str] = field(default_factory=dict)
    sources: Mapping[str, SourceConfig] = field(default_factory=dict)

    @property
    def takes_up(self) -> bool:
        """Whether it goes on from an earlier attempt; not beside defer: dbt looks for the state where it was."""
        return self.resume and self.command in RESUMABLE and not self.defer


def parse_config(job: Mapping[str, Any]) -> DbtConfig:
    """Read ``job["config"]``; TaskError (user, ``config_invalid``) says which key is wrong and what it takes."""
    raw = dict(job.get("config") or {})
    if unknown := sorted(set(raw) - KEYS):
        raise invalid(unknown[0], f"is unknown; known keys: {', '.join(sorted(KEYS))}")
    config = DbtConfig(
        command=one_of("command", raw.get("command", "build"), COMMANDS),
        select=words("select", raw.get("select")),
        exclude=words("exclude", raw.get("exclude")),
        vars=mapping("vars", raw.get("vars")) | values(job),
        threads=threads(raw.get("threads", 2)),
        state=one_of("state", raw["state"], ("last_success",)) if raw.get("state") is not None else None,
        publish={output: str(model) for output, model in mapping("publish", raw.get("publish")).items()},
        sources={name: source(name, value) for name, value in mapping("sources", raw.get("sources")).items()},
        adapter=one_of("adapter", raw.get("adapter", "duckdb"), ADAPTERS),
        connection=place("connection", raw.get("connection")) or str(raw.get("adapter", "duckdb")),
        catalog=place("catalog", raw.get("catalog")),
        schema=place("schema", raw.get("schema")),
        full_refresh=flag("full_refresh", raw.get("full_refresh", False)),
        docs=flag("docs", raw.get("docs", True)),
        resume=flag("resume", raw.get("resume", True)),
        defer=flag("defer", raw.get("defer", False)),
    )
    check_state(config)
    check_adapter(config, raw, job.get("outputs") or [])
    check_names("publish", config.publish, (item["name"] for item in job.get("outputs") or []))
    check_names("sources", config.sources, (item["name"] for item in job.get("inputs") or []))
    return config


def check_adapter(config: DbtConfig, raw: Mapping[str, Any], outputs: Sequence[Any]) -> None:
    """Each adapter takes its own keys only."""
    if config.adapter in ENGINES and outputs:
        text = f"is {config.adapter}, which writes its tables itself: take the outputs out of the template"
        raise invalid("adapter", text)
    foreign = ("publish", "sources") if config.adapter in ENGINES else PLACES
    if given := [key for key in foreign if raw.get(key)]:
        raise invalid(given[0], f"is not for adapter {config.adapter}")


def place(key: str, value: Any) -> str | None:
    """A name for profiles.yml, which dbt reads as Jinja, and where it gives out the password's variable."""
    if value is None or (isinstance(value, str) and value.strip() and not set(value) & set("{}")):
        return value
    raise invalid(key, "must be a text without braces")


def check_state(config: DbtConfig) -> None:
    if config.state and config.command not in TAKES_STATE:
        raise invalid("state", f"is of no use to {config.command}")
    if config.defer and not config.state:
        raise invalid("defer", "needs config.state: last_success")


def source(name: str, raw: Any) -> SourceConfig:
    options = mapping(f"sources.{name}", raw)
    if unknown := sorted(set(options) - SOURCE_KEYS):
        raise invalid(f"sources.{name}.{unknown[0]}", f"is unknown; known keys: {', '.join(sorted(SOURCE_KEYS))}")
    columns = words(f"sources.{name}.columns", options["columns"]) if options.get("columns") else None
    kind = one_of(f"sources.{name}.materialize", options.get("materialize", "table"), ("table", "view"))
    return SourceConfig(columns, kind)


def check_names(key: str, given: Iterable[str], declared: Iterable[str]) -> None:
    """Each output needs its model (and each key of ``sources`` an input); a key that names neither is a mistake."""
    known, named = set(declared), set(given)
    if unknown := sorted(named - known):
        raise invalid(f"{key}.{unknown[0]}", f"is not declared by the template (declared: {', '.join(sorted(known))})")
    if key == "publish" and (missing := sorted(known - named)):
        raise invalid(f"publish.{missing[0]}", "is missing: the output is declared, so name the model that fills it")


def one_of(key: str, value: Any, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise invalid(key, f"is {value!r}; it takes one of {', '.join(allowed)}")
    return str(value)


def words(key: str, value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, str):
        value = value.split()
    # A word that begins with a dash would be read as an option of dbt's command line.
    if isinstance(value, list) and all(isinstance(word, str) and word and word[0] != "-" for word in value):
        return tuple(value)
    raise invalid(key, "must be a text or a list of texts")


def mapping(key: str, value: Any) -> dict[str, Any]:
    if value is not None and not isinstance(value, Mapping):
        raise invalid(key, "must be a mapping")
    return dict(value or {})


def threads(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_THREADS:
        raise invalid("threads", f"is {value!r}; it takes a whole number from 1 to {MAX_THREADS}")
    return int(value)


def project_folder(bundle_dir: Path | None, entrypoint: str) -> Path:
    """The project's folder in the bundle; TaskError (user) when it is not there or leads outside."""
    if bundle_dir is None:
        raise TaskError("user", "bundle_missing", "a dbt run needs a bundle with the project in it")
    folder = (bundle_dir / (entrypoint or ".")).resolve()
    if not folder.is_relative_to(bundle_dir.resolve()):
        raise TaskError("user", "entrypoint_outside_bundle", f"entrypoint {entrypoint!r} leads outside the bundle")
    if not (folder / "dbt_project.yml").is_file():
        raise TaskError("user", "entrypoint_missing", f"the bundle has no dbt_project.yml in folder {entrypoint!r}")
    return folder
