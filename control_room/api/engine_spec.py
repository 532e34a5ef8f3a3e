"""What a template asks of its engine: caps that its kind enforces, and the config of SQL kinds. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from control_room.api.issues import Issue, pointer
from control_room.api.names import did_you_mean
from control_room.api.params import is_open, known_params

Spec = Mapping[str, Any]
# Caps that only some kinds enforce: one that is set and that nobody enforces would be a promise that is not kept.
ENGINE_CAPS = {
    **dict.fromkeys(("cpu_seconds", "scanned_bytes", "written_bytes"), ("trino",)),
    "rows_out": ("trino", "spark"),
}
TEXT, TRUTH = (str, "a text"), (bool, "true or false")
OBJECT, WHOLE = (dict, "an object"), (int, "a whole number")
# Kinds whose entrypoint may be code of the author, too.
CODE_KINDS = ("spark",)
# What the config of each SQL kind may hold.
SQL_KEYS: Mapping[str, Mapping[str, tuple[type, str]]] = {
    "duckdb": {"sql": TEXT, "publish": OBJECT, "threads": WHOLE, "parquet": TRUTH},
    "spark": {
        **dict.fromkeys(("sql", "mode", "catalog", "schema", "connection"), TEXT),
        **dict.fromkeys(("read_only", "plan", "parquet"), TRUTH),
        **dict.fromkeys(("types", "conf"), OBJECT),
        "parameters": (list, "a list of names of parameters"),
    },
    "trino": {
        **dict.fromkeys(("sql", "catalog", "schema", "connection"), TEXT),
        **dict.fromkeys(("read_only", "plan", "parquet"), TRUTH),
        **dict.fromkeys(("types", "session"), OBJECT),
        "parameters": (list, "a list of names of parameters"),
    },
}


def engine_issues(spec: Spec) -> list[Issue]:
    """All that is wrong with caps and config for the kind."""
    return [*_cap_issues(spec), *(_sql_issues(spec) if spec["kind"] in SQL_KEYS else ())]


def _cap_issues(spec: Spec) -> Iterator[Issue]:
    for cap in spec.get("caps", {}):
        kinds = ENGINE_CAPS.get(cap)
        if kinds and spec["kind"] not in kinds:
            yield Issue(pointer("caps", cap), f"is not enforced for kind {spec['kind']!r}, only for {', '.join(kinds)}")


def _sql_issues(spec: Spec) -> Iterator[Issue]:
    config: Mapping[str, Any] = spec.get("config", {})
    keys = SQL_KEYS[spec["kind"]]
    if "sql" in config and spec.get("entrypoint"):
        yield Issue(pointer("config", "sql"), "stands beside an entrypoint; give one of them")
    script_only = spec["kind"] not in CODE_KINDS
    if script_only and spec.get("entrypoint") and not spec["entrypoint"].endswith(".sql"):
        yield Issue(pointer("entrypoint"), f"{spec['entrypoint']!r} is no .sql file of the bundle")
    if config.get("connection") and config["connection"] not in spec.get("connections", []):
        message = f"{config['connection']!r} is not among the template's connections"
        yield Issue(pointer("config", "connection"), message)
    for key, value in config.items():
        if key not in keys:
            yield Issue(pointer("config", key), f"is unknown{did_you_mean(key, keys)}")
        elif not isinstance(value, keys[key][0]) or value == "" or (isinstance(value, bool) and keys[key] is WHOLE):
            yield Issue(pointer("config", key), f"must be {keys[key][1]}")
    yield from _param_issues(spec, config)
    yield from _publish_issues(spec, config)


def _param_issues(spec: Spec, config: Mapping[str, Any]) -> Iterator[Issue]:
    schema = spec.get("params_schema", {})
    known = known_params(schema)
    named = [(pointer("config", "types", name), name) for name in _names(config.get("types"))]
    named += [(pointer("config", "parameters", i), name) for i, name in enumerate(_names(config.get("parameters")))]
    for path, name in named:
        if name not in known and not is_open(schema):
            yield Issue(path, f"{name!r} is no parameter of this template{did_you_mean(str(name), known)}")


def _publish_issues(spec: Spec, config: Mapping[str, Any]) -> Iterator[Issue]:
    outputs = [output["name"] for output in spec.get("outputs", [])]
    for name in _names(config.get("publish")):
        if name not in outputs:
            message = f"{name!r} is no output of this template{did_you_mean(str(name), outputs)}"
            yield Issue(pointer("config", "publish", name), message)


def _names(value: Any) -> list[Any]:
    return list(value) if isinstance(value, Mapping | list) else []
