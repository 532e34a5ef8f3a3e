"""Templates are checked together, and none is applied when one is wrong; each problem has its file and line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from control_room.client import OperatorClient
from control_room.commands.checks import checked
from control_room.commands.templates import _print_template, apply_paths
from control_room.errors import MISUSE, ControlRoomError

LOAD = """name: load
kind: python
bundle: code
entrypoint: "load:main"
outputs:
  - {name: flights, format: delta, mode: append, path: flights}
"""
SINK = """name: sink
kind: python
bundle: code
entrypoint: script.py
inputs: [{name: flights, kind: table}]
"""
BOTH = """name: both
kind: pipeline
tasks:
  ingest: {template: load}
  sink:
    template: sink
    inputs: {flights: ingest.flights}
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "load.py").write_text("def main(context):\n    pass\n")
    (tmp_path / "code" / "script.py").write_text("print(1)\n")
    for name, text in {"a-both": BOTH, "load": LOAD, "sink": SINK}.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    return tmp_path


def problems(home: Path, *known: dict[str, Any]) -> list[str]:
    """What is wrong with the templates of the folder, as a user reads it, without the folder's name."""
    with pytest.raises(ControlRoomError) as refused:
        checked([home], list(known), [])
    assert refused.value.exit_code == MISUSE
    errors = refused.value.members["errors"]
    told = [": ".join(part for part in (e["where"], e["path"], e["message"]) if part) for e in errors]
    assert all(line.replace(str(home), "") in str(refused.value).replace(str(home), "") for line in told)
    return [line.replace(f"{home}/", "") for line in told]


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_pipelines_come_after_the_templates_they_name_and_may_name_those_applied_with_them(home: Path) -> None:
    assert [draft.spec["name"] for draft in checked([home], [], [])] == ["load", "sink", "both"]


@pytest.mark.parametrize(
    ("entrypoint", "told"),
    [
        (
            "../load/load:main",
            "'../load/load:main' leaves the bundle; name what lies in its folder, as 'load:main', or",
        ),
        ("..", "'..' leaves the bundle; name what lies in its folder, as '.', or a folder above as bundle"),
        ("load.py:main", "the bundle 'code' has no module 'load.py'; write 'load:main'"),
        ("./load:main", "'./load:main' is neither module:function nor script.py"),
        ("load", "is neither module:function nor script.py; write 'load:FUNCTION', or 'load.py' to run the file"),
        ("", "'' should be non-empty"),
    ],
)
def test_a_wrong_entrypoint_is_told_once_with_what_to_write(home: Path, entrypoint: str, told: str) -> None:
    change(home / "load.yaml", '"load:main"', f'"{entrypoint}"')
    (problem,) = [found for found in problems(home) if "/entrypoint" in found]
    assert problem.startswith("load.yaml:4: /entrypoint: ")
    assert told in problem


def test_an_entrypoint_of_a_command_is_told_once(home: Path) -> None:
    change(home / "load.yaml", "kind: python", "kind: command")
    change(home / "load.yaml", "load:main", "../x")
    (problem,) = [found for found in problems(home) if "/entrypoint" in found]
    assert "is not for a command" in problem


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        ("load", "entrypoint:", "entrypont:", "load.yaml:4: /entrypont: 'entrypont' is not known here; did you mean"),
        ("load", "mode: append", "mod: append", "load.yaml:6: /outputs/0/mod: 'mod' is not known here; did you mean"),
        ("load", "kind: python", "kind: pyton", "load.yaml:2: /kind: 'pyton' is no kind here; did you mean 'python'?"),
        ("load", "kind: python\n", "", "load.yaml: 'kind' is missing; known kinds: python, notebook, dbt, pipeline"),
        ("load", "load:main", "laod:main", "load.yaml:4: /entrypoint: the bundle 'code' has no module 'laod'"),
        ("load", "load:main", "load:mian", "load.yaml:4: /entrypoint: load.py has no function 'mian'; did you mean"),
        ("sink", "script.py", "scrip.py", "sink.yaml:4: /entrypoint: the bundle 'code' has no file 'scrip.py'; did"),
        ("load", "bundle: code\n", "", "load.yaml: /bundle: is missing: name the folder"),
        ("load", "bundle: code", "bundle: cod", "load.yaml:3: /bundle: bundle 'cod' is no folder"),
        (
            "a-both",
            "ingest.flights",
            "ingest",
            "a-both.yaml:7: /tasks/sink/inputs/flights: 'ingest' is not of the form",
        ),
        ("a-both", "ingest.flights", "ingest", "TASK.OUTPUT; write one of: ingest.flights"),
        ("a-both", "ingest.flights", "ingest.flihgts", "has no output 'flihgts'; did you mean 'flights'?"),
        ("sink", "name: sink", "name: load", "is the name of the template in"),
        ("sink", "kind: python", "kind: [python", "this is no YAML"),
        ("sink", "name: sink", "name: 7", "a template is a mapping with at least `name` and `kind`"),
    ],
)
def test_a_slip_is_told_with_its_place_and_what_may_have_been_meant(
    home: Path, file: str, old: str, new: str, told: str
) -> None:
    change(home / f"{file}.yaml", old, new)
    found = problems(home)
    assert any(told in line for line in found), found


def test_a_pipeline_is_not_blamed_for_a_task_template_that_is_wrong_itself(home: Path) -> None:
    change(home / "load.yaml", "load:main", "nothing:main")
    assert all(line.startswith("load.yaml") for line in problems(home))


def test_a_function_may_be_defined_in_any_way_that_names_it(home: Path) -> None:
    (home / "code" / "load.py").write_text("from elsewhere import task as main\n")
    assert checked([home], [], [])
    (home / "code" / "load.py").write_text("from elsewhere import *\n")
    assert checked([home], [], [])


def test_a_kind_that_is_like_none_we_know_is_left_to_the_server(home: Path) -> None:
    change(home / "load.yaml", "kind: python", "kind: zzz")
    assert checked([home], [], [])


def server(seen: list[str], refuse: str = "", bodies: list[dict[str, Any]] | None = None) -> OperatorClient:
    """A control room without templates; it refuses to store the template named. bodies: what announced a bundle."""

    def answer(request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api/v1")
        seen.append(f"{request.method} {path}")
        if request.method == "GET":
            return httpx.Response(200, json={"items": []})
        if path == "/bundles":
            body = json.loads(request.content)
            if bodies is not None:
                bodies.append(body)
            return httpx.Response(200, json={**body, "upload": None})
        if path.endswith(f"/{refuse}"):
            refusal = {"code": "unknown_kind", "detail": "kind: 'zzz' is no kind here", "kinds": ["python", "dbt"]}
            return httpx.Response(422, json=refusal)
        return httpx.Response(200, json={"name": path.rsplit("/", 1)[1], "version": 1, "created": True})

    return OperatorClient("http://127.0.0.1:1", "secret", transport=httpx.MockTransport(answer))


def test_when_one_file_is_wrong_nothing_is_uploaded_and_nothing_applied(home: Path) -> None:
    change(home / "a-both.yaml", "ingest.flights", "ingest")
    seen: list[str] = []
    with server(seen) as client, pytest.raises(ControlRoomError, match=r"TASK\.OUTPUT"):
        apply_paths(client, [home])
    assert [request for request in seen if not request.startswith("GET")] == []


def test_a_bundle_goes_to_the_workspace_that_its_template_names(home: Path) -> None:
    change(home / "load.yaml", "kind: python", "kind: python\nworkspace: team-b")
    bodies: list[dict[str, Any]] = []
    with server([], bodies=bodies) as client:
        apply_paths(client, [home / "load.yaml"])
    assert [body["workspace"] for body in bodies] == ["team-b"]


def test_a_refusal_of_the_server_names_the_file_the_kinds_and_what_was_applied_before(home: Path) -> None:
    change(home / "sink.yaml", "kind: python", "kind: zzz")
    with server([], refuse="sink") as client, pytest.raises(ControlRoomError) as refused:
        apply_paths(client, [home])
    assert refused.value.code == "unknown_kind"
    assert "sink.yaml: kind: 'zzz' is no kind here; known kinds: dbt, python" in refused.value.what
    assert refused.value.what.endswith("applied before it: load v1")


def test_a_task_is_shown_to_come_after_those_whose_outputs_it_reads(capsys: pytest.CaptureFixture[str]) -> None:
    task = {"template": "sink", "depends_on": ["first"], "inputs": {"a": "load.cat.schema.t", "b": "first.x"}}
    _print_template(
        {"name": "both", "version": 1, "kind": "pipeline", "description": "", "spec": {"tasks": {"second": task}}}
    )
    assert "task second: sink after first, load" in capsys.readouterr().out
