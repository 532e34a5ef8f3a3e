"""Rules of templates and parameters."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml
from jsonschema import Draft202012Validator

from control_room.api.output_spec import is_inside
from control_room.api.params import check_params, render
from control_room.api.template_spec import template_issues, template_schema

SHA = "a" * 64
PYTHON: dict[str, Any] = {
    "name": "load",
    "kind": "python",
    "entrypoint": "load:main",
    "bundle": {"sha256": SHA, "size": 10},
    "params_schema": {
        "type": "object",
        "properties": {"prefix": {"type": "string", "default": "x"}, "rows": {"type": "integer"}},
    },
    "inputs": [{"name": "source", "kind": "table"}],
    "outputs": [{"name": "flights", "format": "delta", "mode": "append", "path": "{params.prefix}/flights"}],
}
ICEBERG = {"name": "flights", "format": "iceberg", "mode": "append", "path": "gold/flights"}
MODEL = {"name": "model", "format": "object", "mode": "create", "path": "models/delay.onnx"}
OBJECT = MODEL | {"name": "flights"}
SINK: dict[str, Any] = {
    "name": "sink",
    "kind": "python",
    "entrypoint": "sink.py",
    "inputs": [{"name": "flights", "kind": "table"}],
}
SOURCE: dict[str, Any] = {k: v for k, v in PYTHON.items() if k != "inputs"}
PIPELINE: dict[str, Any] = {
    "name": "all",
    "kind": "pipeline",
    "params_schema": {"type": "object", "properties": {"prefix": {"type": "string", "default": "x"}}},
    "tasks": {
        "first": {"template": "load", "params": {"prefix": "{params.prefix}"}},
        "second": {"template": "sink", "depends_on": ["first"], "inputs": {"flights": "first.flights"}},
    },
}
KNOWN = {"load": SOURCE, "sink": SINK}


class Yaml12(yaml.SafeLoader):
    """YAML as people mean it: `on` is a word (retry: {on: [...]}), only true and false are booleans."""

    yaml_implicit_resolvers: ClassVar[dict[str, list[tuple[str, Any]]]] = {
        first: [(tag, pattern) for tag, pattern in found if tag != "tag:yaml.org,2002:bool" or first in "tTfF"]
        for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def issues(spec: dict[str, Any]) -> dict[str, str]:
    return {issue.path: issue.message for issue in template_issues(spec, KNOWN, KNOWN)}


def changed(spec: dict[str, Any], *path: Any, to: Any) -> dict[str, Any]:
    fresh = copy.deepcopy(spec)
    place: Any = fresh
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = to
    return fresh


def test_the_schema_of_templates_is_itself_valid() -> None:
    Draft202012Validator.check_schema(template_schema())


def test_good_templates_have_no_issues() -> None:
    assert issues(PYTHON) == {}
    assert issues(PIPELINE) == {}


def test_the_demo_templates_are_valid() -> None:
    folder = Path(__file__).parents[2] / "control_room" / "demo" / "nycflights"
    specs = {spec["name"]: spec for spec in (yaml.load(path.read_text(), Yaml12) for path in folder.glob("*.yaml"))}
    assert len(specs) == 4
    for spec in specs.values():
        # A file names a folder; applying it puts the digest of the folder here.
        applied = {**spec, "bundle": {"sha256": SHA, "size": 1}} if "bundle" in spec else spec
        assert template_issues(applied, specs, specs) == []


@pytest.mark.parametrize(
    ("path", "to", "at", "says"),
    [
        (("entrypoint",), "../etc:main", "/entrypoint", "leaves the bundle"),
        (("entrypoint",), "/etc/passwd", "/entrypoint", "leaves the bundle"),
        (("entrypoint",), "a\\..\\..\\b.py", "/entrypoint", "leaves the bundle"),
        (("outputs", 0, "path"), "../other", "/outputs/0/path", "leaves the lakehouse root"),
        (("outputs", 0, "path"), "s3://other/x", "/outputs/0/path", "leaves the lakehouse root"),
        (("outputs", 0, "path"), "a//b", "/outputs/0/path", "plain names"),
        (("outputs", 0, "path"), "a/", "/outputs/0/path", "plain names"),
        (("outputs", 0, "path"), "a b", "/outputs/0/path", "plain names"),
        (("outputs", 0, "path"), "é", "/outputs/0/path", "plain names"),
        (("outputs", 0, "path"), "a\n", "/outputs/0/path", "plain names"),
        (("outputs", 0, "path"), "{x}/a", "/outputs/0/path", "plain names"),
        (("outputs", 0, "path"), ".", "/outputs/0/path", "reserved"),
        (("outputs", 0, "path"), "a/./b", "/outputs/0/path", "reserved"),
        (("outputs", 0, "path"), "a/_delta_log/b", "/outputs/0/path", "reserved"),
        (("outputs", 0, "path"), "a/model.staged/b", "/outputs/0/path", "reserved"),
        (("outputs", 0, "path"), "_ws/a/b", "/outputs/0/path", "reserved"),
        (("outputs", 0, "path"), "_ws", "/outputs/0/path", "reserved"),
        (("outputs", 0, "path"), "{params.prefx}/x", "/outputs/0/path", "did you mean 'prefix'"),
        (("lease_seconds",), 9, "/lease_seconds", "9 is less than the minimum of 10"),
        (("lease_seconds",), 3601, "/lease_seconds", "3601 is greater than the maximum of 3600"),
        (("outputs", 0, "mode"), "merge", "/outputs/0/mode", "'merge' is not one of"),
        (("outputs", 0, "mode"), "create", "/outputs/0/mode", "not for format 'delta', only append and overwrite"),
        (("outputs", 0, "format"), "object", "/outputs/0/mode", "not for format 'object', only overwrite and create"),
        (("outputs", 0, "format"), "csv", "/outputs/0/format", "'csv' is not one of"),
        (("outputs", 0), ICEBERG | {"mode": "create"}, "/outputs/0/mode", "not for format 'iceberg'"),
        (("outputs", 0), ICEBERG | {"path": "delay"}, "/outputs/0/path", "is not namespace/table"),
        (("outputs", 0), ICEBERG | {"path": "a/b/c"}, "/outputs/0/path", "is not namespace/table"),
        (("outputs", 0), ICEBERG | {"path": "Gold/delay"}, "/outputs/0/path", "is not namespace/table"),
        (("outputs", 0), ICEBERG | {"path": f"gold/{'d' * 64}"}, "/outputs/0/path", "at most 63"),
        (("outputs", 0), ICEBERG | {"path": "gold/delay\n"}, "/outputs/0/path", "is not namespace/table"),
        (("outputs", 0), ICEBERG | {"path": "ws_a__gold/delay"}, "/outputs/0/path", "reserved for workspaces"),
        (("outputs", 0), ICEBERG | {"path": "gold/{params.prefx}"}, "/outputs/0/path", "did you mean 'prefix'"),
        (("outputs", 0), MODEL | {"path": "models/"}, "/outputs/0/path", "plain names"),
        (("outputs", 0), MODEL | {"path": "_ws/a/model"}, "/outputs/0/path", "reserved"),
        (("params_schema",), {"type": "objekt"}, "/params_schema/type", "objekt"),
        (("params_schema",), {"properties": 3}, "/params_schema/properties", "not of type 'object'"),
        (("params_schema",), {"type": "array"}, "/params_schema/type", "must be 'object'"),
        (("params_schema",), {"$ref": "http://x/y"}, "/params_schema/$ref", "outside this document"),
        (
            ("params_schema", "properties", "rows"),
            {"type": "integer", "default": "many"},
            "/params_schema/properties/rows/default",
            "is not of type 'integer'",
        ),
        (("kind",), "Python!", "/kind", "does not match"),
        (("bundle", "sha256"), "abc", "/bundle", "not valid"),
        (("surprise",), 1, "", "'surprise' was unexpected"),
        (("tasks",), {"a": {"template": "load"}}, "/tasks", "not allowed"),
        (("inputs",), [{"name": "a", "kind": "table"}] * 2, "/inputs/1/name", "declared twice"),
    ],
)
def test_a_wrong_template_names_the_place(path: tuple[Any, ...], to: Any, at: str, says: str) -> None:
    found = issues(changed(PYTHON, *path, to=to))
    assert at in found, found
    assert says in found[at]


@pytest.mark.parametrize(
    ("path", "to", "at", "says"),
    [
        (("tasks", "second", "depends_on"), ["frist"], "/tasks/second/depends_on/0", "did you mean 'first'"),
        (("tasks", "first", "depends_on"), ["first"], "/tasks/first/depends_on/0", "depends on itself"),
        (("tasks", "first", "depends_on"), ["second"], "/tasks/", "wait for each other"),
        (("tasks", "first", "template"), "lod", "/tasks/first/template", "did you mean 'load'"),
        (("tasks", "first", "params"), {"prefx": 1}, "/tasks/first/params/prefx", "did you mean 'prefix'"),
        (("tasks", "first", "params"), {"prefix": "{params.no}"}, "/tasks/first/params", "no parameter"),
        (("tasks", "second", "inputs"), {"flights": "first.fligts"}, "/tasks/second/inputs/flights", "'flights'"),
        (("tasks", "second", "inputs"), {"flights": "third.flights"}, "/tasks/second/inputs/flights", "unknown task"),
        (("tasks", "second", "inputs"), {}, "/tasks/second/inputs", "'flights' of template 'sink' is missing"),
        (("tasks", "first", "inputs"), {"a": "second.x"}, "/tasks/", "wait for each other"),
        (("tasks", "second", "inputs"), {"flights": "second.x"}, "/tasks/second/inputs/flights", "this very task"),
        (("entrypoint",), "x", "/entrypoint", "not allowed here"),
    ],
)
def test_a_wrong_pipeline_names_the_place(path: tuple[Any, ...], to: Any, at: str, says: str) -> None:
    found = issues(changed(PIPELINE, *path, to=to))
    places = [place for place in found if place.startswith(at)]
    assert places, found
    assert says in found[places[0]]


@pytest.mark.parametrize(
    ("kind", "config", "output", "taken"),
    [
        ("spark", {}, "iceberg.sales.orders", True),
        ("trino", {}, "iceberg.sales.orders", True),
        ("dbt", {"adapter": "trino"}, "iceberg.sales.orders", True),
        ("dbt", {"adapter": "spark"}, "iceberg.sales.orders", True),
        ("dbt", {}, "iceberg.sales.orders", False),
        ("python", {}, "iceberg.sales.orders", False),
        ("trino", {}, "fligts", False),
    ],
)
def test_a_table_that_an_engine_writes_can_be_read_by_its_full_name(
    kind: str, config: dict[str, Any], output: str, taken: bool
) -> None:
    spec = changed(PIPELINE, "tasks", "second", "inputs", to={"flights": f"first.{output}"})
    known = {**KNOWN, "load": {**SOURCE, "kind": kind, "config": config}}
    found = {issue.path: issue.message for issue in template_issues(spec, known, known)}
    assert bool(found) is not taken, found


@pytest.mark.parametrize("path", ["flights", "a/b.c/_d=e-1", "{params.prefix}/{params.rows}", "x{params.prefix}..y"])
def test_plain_output_paths_are_taken(path: str) -> None:
    assert issues(changed(PYTHON, "outputs", 0, "path", to=path)) == {}


@pytest.mark.parametrize("path", ["gold/flights", "{params.prefix}/f_{params.rows}", "g1_/x"])
def test_iceberg_tables_and_objects_are_outputs_too(path: str) -> None:
    assert issues(changed(PYTHON, "outputs", to=[ICEBERG | {"path": path}, MODEL])) == {}


@pytest.mark.parametrize(
    ("first", "second", "format", "taken"),
    [
        ("gold/x", "gold/x", "delta", False),
        ("gold/x", "gold/x", "object", False),
        ("g/{params.rows}", "g/{params.rows}", "delta", False),
        ("gold/x", "gold/x", "iceberg", True),
        ("gold/x", "gold/y", "delta", True),
    ],
)
def test_two_outputs_at_one_address_are_refused(first: str, second: str, format: str, taken: bool) -> None:
    mode = "overwrite"
    one = {"name": "one", "format": "delta", "mode": mode, "path": first}
    two = {"name": "two", "format": format, "mode": mode, "path": second}
    says = f"{second!r} is where output 'one' lies; give each output a path of its own"
    assert issues(changed(PYTHON, "outputs", to=[one, two])) == ({} if taken else {"/outputs/1/path": says})


@pytest.mark.parametrize(
    ("kind", "output", "says"),
    [
        ("table", OBJECT, "'first.flights' is of kind object, the input is declared as table"),
        ("object", ICEBERG, "'first.flights' is of kind table, the input is declared as object"),
        ("table", ICEBERG, ""),
        ("object", OBJECT, ""),
        ("artifact", OBJECT, "'first.flights' is of kind object, the input is declared as artifact"),
        ("artifact", ICEBERG, ""),
        ("artifact", MODEL, ""),
        ("object", OBJECT | {"name": "fligths"}, "task 'first' has no output 'flights'; did you mean 'fligths'?"),
    ],
)
def test_a_task_reads_an_object_as_an_object_and_a_table_as_a_table(kind: str, output: Any, says: str) -> None:
    known = {
        "load": SOURCE | {"outputs": [output]},
        "sink": SINK | {"inputs": [{"name": "flights", "kind": kind}]},
    }
    found = [issue.message for issue in template_issues(PIPELINE, known, known)]
    assert found == ([says] if says else [])


@pytest.mark.parametrize("path", [".", "a/b.ipynb", "ingest:main", "a..b/c", "x/./y"])
def test_paths_inside_the_bundle_are_taken(path: str) -> None:
    assert is_inside(path)


def test_defaults_are_applied_also_inside_objects() -> None:
    schema = {"properties": {"a": {"default": 1}, "o": {"type": "object", "properties": {"b": {"default": [2]}}}}}
    assert check_params(schema, {"o": {}}) == ({"a": 1, "o": {"b": [2]}}, [])


def test_an_unknown_parameter_is_named_with_the_near_one() -> None:
    _, found = check_params(PYTHON["params_schema"], {"perfix": "a"}, "params")
    assert [(issue.path, issue.message) for issue in found] == [
        ("/params/perfix", "unknown parameter 'perfix'; did you mean 'prefix'?")
    ]


def test_an_open_schema_takes_other_names() -> None:
    assert check_params({"additionalProperties": True}, {"any": 1}) == ({"any": 1}, [])


def test_a_default_is_not_shared_between_runs() -> None:
    schema = {"properties": {"a": {"default": []}}}
    first, _ = check_params(schema, {})
    first["a"].append(1)
    assert check_params(schema, {})[0] == {"a": []}


def test_a_schema_that_never_ends_is_an_issue_not_a_crash() -> None:
    _, found = check_params({"$ref": "#"}, {}, "params")
    assert "does not resolve" in found[0].message


def test_a_whole_placeholder_keeps_its_type_and_one_inside_text_becomes_text() -> None:
    assert render({"a": "{params.n}", "b": ["x/{params.n}/y"]}, {"n": 3}) == {"a": 3, "b": ["x/3/y"]}


def test_whole_numbers_that_executors_get_fit_64_bits() -> None:
    assert issues(PYTHON | {"config": {"a": [2**63 - 1, 0.5, {"b": "1e19"}]}}) == {}
    found = issues(PYTHON | {"config": {"a": [1e19, {"b": 2**63}]}})
    assert sorted(found) == ["/config/a/0", "/config/a/1/b"]
    assert all("beyond 64 bits" in message for message in found.values())
    spec = copy.deepcopy(PIPELINE)
    spec["tasks"]["first"]["params"]["rows"] = 1e300
    assert "beyond 64 bits" in issues(spec)["/tasks/first/params/rows"]


@pytest.mark.parametrize("cap", ["wall_seconds", "memory_bytes", "log_bytes", "artifact_bytes"])
def test_a_cap_of_a_template_is_a_number_that_executors_can_hold(cap: str) -> None:
    assert issues(PYTHON | {"caps": {cap: 10**18}}) == {}
    for value in (1e19, 2**63):
        assert list(issues(PYTHON | {"caps": {cap: value}})) == [f"/caps/{cap}"]


# Engines -----------------------------------------------------------------------------------------------------------


def test_a_cap_that_no_executor_of_the_kind_enforces_is_refused() -> None:
    (issue,) = template_issues({**PYTHON, "caps": {"scanned_bytes": 10, "wall_seconds": 5, "rows_out": 7}}, {})
    assert issue.path == "/caps/scanned_bytes"
    assert "only for trino" in issue.message


def test_a_cap_may_say_what_is_done_at_its_limit() -> None:
    caps = {
        "wall_seconds": {"limit": 5, "action": "cancel", "grace_seconds": 2},
        "log_bytes": {"limit": 5, "action": "cut"},
        "queue_seconds": 60,
        "cost": {"limit": 0.5, "action": "warn"},
    }
    assert template_issues({**PYTHON, "caps": caps}, {}) == []


@pytest.mark.parametrize(
    ("caps", "path"),
    [
        ({"wall_seconds": {"action": "kill"}}, "/caps/wall_seconds"),
        ({"wall_seconds": {"limit": 5, "action": "cut"}}, "/caps/wall_seconds/action"),
        ({"wall_seconds": {"limit": 5, "action": "kill", "grace_seconds": 1}}, "/caps/wall_seconds/grace_seconds"),
        ({"wall_seconds": {"limit": 5, "mercy": 1}}, "/caps/wall_seconds"),
        ({"artifact_count": {"limit": 1.5}}, "/caps/artifact_count/limit"),
        ({"queue_seconds": {"limit": 5}}, "/caps/queue_seconds"),
        ({"cost": 0}, "/caps/cost"),
    ],
)
def test_a_cap_that_cannot_work_is_told_where_it_stands(caps: dict[str, Any], path: str) -> None:
    assert [issue.path for issue in template_issues({**PYTHON, "caps": caps}, {})] == [path]


def test_the_outputs_and_inputs_of_the_page_on_publishing_are_good() -> None:
    page = (Path(__file__).parents[2] / "spec/docs/how-to/publish-tables-and-objects.md").read_text("utf-8")
    blocks = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)]
    assert [list(block) for block in blocks] == [["outputs", "connections"], ["inputs"]]
    for block in blocks:
        assert issues({k: v for k, v in PYTHON.items() if k not in ("inputs", "outputs")} | block) == {}


@pytest.mark.parametrize("kind", ["dbt", "trino"])
def test_a_kind_that_knows_tables_alone_has_no_objects(kind: str) -> None:
    entrypoint = "." if kind == "dbt" else "x.sql"
    spec = {"name": "t", "kind": kind, "entrypoint": entrypoint, "bundle": PYTHON["bundle"]}
    spec |= {"inputs": [{"name": "i", "kind": "object"}, {"name": "t", "kind": "table"}], "outputs": [ICEBERG, MODEL]}
    assert issues(spec) == {
        "/inputs/0/kind": f"is not for kind {kind!r}, which reads tables",
        "/outputs/1/format": f"is not for kind {kind!r}, which publishes tables",
    }
