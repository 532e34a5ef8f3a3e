"""What a template asks of its engine: caps that its kind enforces, the config of SQL kinds and commands. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from control_room.api.issues import Issue, pointer, walk
from control_room.api.names import did_you_mean
from control_room.api.params import PLACEHOLDER, is_open, known_params

Spec = Mapping[str, Any]
# Caps that only some kinds enforce: one that is set and that nobody enforces would be a promise that is not kept.
ENGINE_CAPS = {
    **dict.fromkeys(("cpu_seconds", "scanned_bytes", "written_bytes"), ("trino",)),
    "rows_out": ("trino", "spark"),
}
TEXT, TRUTH = (str, "a text"), (bool, "true or false")
LIST, NUMBER = (list, "a list"), (int | float, "a number")
OBJECT, WHOLE = (dict, "an object"), (int, "a whole number")
NUMBERS = (WHOLE, NUMBER)
# Kinds that know tables alone, so that nobody could run a template of theirs with an object.
TABLE_KINDS = ("dbt", "trino")
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
COMMAND_KEYS: Mapping[str, tuple[Any, str]] = {
    **{"argv": LIST, "env": OBJECT, "exit_codes": LIST, "cpus": NUMBER},
    **dict.fromkeys(("stdin", "image"), TEXT),
}


def engine_issues(spec: Spec) -> list[Issue]:
    """All that is wrong with caps and config for the kind."""
    of_kind = _command_issues if spec["kind"] == "command" else _sql_issues if spec["kind"] in SQL_KEYS else None
    return [*_cap_issues(spec), *_object_issues(spec), *(of_kind(spec) if of_kind else ())]


def _cap_issues(spec: Spec) -> Iterator[Issue]:
    for cap in spec.get("caps", {}):
        kinds = ENGINE_CAPS.get(cap)
        if kinds and spec["kind"] not in kinds:
            yield Issue(pointer("caps", cap), f"is not enforced for kind {spec['kind']!r}, only for {', '.join(kinds)}")


def _object_issues(spec: Spec) -> Iterator[Issue]:
    if spec["kind"] not in TABLE_KINDS:
        return
    for index, port in enumerate(spec.get("inputs", [])):
        if port["kind"] == "object":
            yield Issue(pointer("inputs", index, "kind"), f"is not for kind {spec['kind']!r}, which reads tables")
    for index, port in enumerate(spec.get("outputs", [])):
        if port["format"] == "object":
            yield Issue(
                pointer("outputs", index, "format"), f"is not for kind {spec['kind']!r}, which publishes tables"
            )


def _sql_issues(spec: Spec) -> Iterator[Issue]:
    config: Mapping[str, Any] = spec.get("config", {})
    keys = SQL_KEYS[spec["kind"]]
    if "sql" not in config and "entrypoint" not in spec:
        yield Issue(pointer("config", "sql"), "is missing: give the SQL there, or a bundle and an 'entrypoint' in it")
    if "sql" in config and spec.get("entrypoint"):
        yield Issue(pointer("config", "sql"), "stands beside an entrypoint; give one of them")
    script_only = spec["kind"] not in CODE_KINDS
    if script_only and spec.get("entrypoint") and not spec["entrypoint"].endswith(".sql"):
        yield Issue(pointer("entrypoint"), f"{spec['entrypoint']!r} is no .sql file of the bundle")
    if config.get("connection") and config["connection"] not in spec.get("connections", []):
        message = f"{config['connection']!r} is not among the template's connections"
        yield Issue(pointer("config", "connection"), message)
    yield from _key_issues(config, keys)
    yield from _param_issues(spec, config)
    yield from _publish_issues(spec, config)


def _key_issues(config: Mapping[str, Any], keys: Mapping[str, tuple[Any, str]]) -> Iterator[Issue]:
    for key, value in config.items():
        if key not in keys:
            yield Issue(pointer("config", key), f"is unknown{did_you_mean(key, keys)}")
        elif not isinstance(value, keys[key][0]) or value == "" or (isinstance(value, bool) and keys[key] in NUMBERS):
            yield Issue(pointer("config", key), f"must be {keys[key][1]}")


def unknown_config(spec: Spec) -> list[Issue]:
    """The keys that a config of SQL does not know, of a document that may be malformed: one of them may be why what is
    required is missing."""
    kind, config = spec.get("kind"), spec.get("config")
    keys = SQL_KEYS.get(kind, {}) if isinstance(kind, str) else {}
    strange = {key: value for key, value in config.items() if key not in keys} if isinstance(config, Mapping) else {}
    return list(_key_issues(strange, keys)) if keys else []


def _command_issues(spec: Spec) -> Iterator[Issue]:
    """A program, by name, and values that the template takes. What may be started is the executor's to say."""
    config: Mapping[str, Any] = spec.get("config", {})
    argv = config.get("argv")
    if spec.get("entrypoint"):
        yield Issue(pointer("entrypoint"), "is not for a command; the program is the first of config.argv")
    if spec.get("outputs"):
        yield Issue(pointer("outputs"), "is not for a command: it publishes no tables, its files are artifacts")
    if "argv" not in config or argv == []:
        yield Issue(pointer("config", "argv"), "is required: the program, then its arguments")
    yield from _key_issues(config, COMMAND_KEYS)
    for index, each in enumerate(argv if isinstance(argv, list) else ()):
        if not isinstance(each, str) or (index == 0 and (not each or "{" in each)):
            message = "must be a text" if index or not isinstance(each, str) else "must name the program itself"
            yield Issue(pointer("config", "argv", index), message)
    yield from _placeholder_issues(spec, config)


def _placeholder_issues(spec: Spec, config: Mapping[str, Any]) -> Iterator[Issue]:
    schema = spec.get("params_schema", {})
    known = known_params(schema)
    for path, text in walk({key: config.get(key) for key in ("argv", "env", "stdin")}, ("config",)):
        for name in PLACEHOLDER.findall(text) if isinstance(text, str) else ():
            if name not in known and not is_open(schema):
                yield Issue(pointer(*path), f"{name!r} is no parameter of this template{did_you_mean(name, known)}")


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
