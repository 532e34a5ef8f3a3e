"""`reproduce`, `diff` and `reuse: same_inputs` over a real server, Postgres and object store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from control_room.errors import FAILED, OK, REFUSED
from tests.contract.operator.conftest import API, Server, Worker
from tests.contract.operator.proving import Proved, fresh, make_manifests, proved, run_with
from tests.contract.operator.test_submit_command import command

Json = dict[str, Any]
DIFF, REPRODUCE = ("diff",), ("reproduce",)
SIZED = {"type": "object", "properties": {"size": {"type": "integer"}}}


async def diff(server: Server, one: object, other: object) -> Json:
    answer = await server.operator.get(f"{API}/runs/{one}/diff/{other}")
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


def sections(found: Json) -> dict[str, list[Json]]:
    """What differs, by section."""
    return {part["name"]: part["differences"] for part in found["sections"] if part["differences"]}


async def reproduced(both: Proved, data: bytes) -> Json:
    """A reproduction of run 1 that left these bytes."""
    answer = await both.server.operator.post(f"{API}/runs/1/reproduce")
    assert answer.status_code == 201, answer.text
    await run_with(await Worker.start(both.server), data)
    found: Json = answer.json()
    return found


async def test_a_reproduction_that_left_the_same_bytes_is_the_same(server: Server, tmp_path: Path) -> None:
    both = await proved(server, tmp_path)
    again = await reproduced(both, both.data[0])
    assert (again["number"], again["reproduces_number"], again["params"]) == (3, 1, {"size": 14000})
    found = await diff(server, 1, 3)
    assert (found["same_outputs"], found["one"]["number"], found["other"]["number"]) == (True, 1, 3)
    assert set(sections(found)) == {"measured"}, "another time alone"
    code, out, err = await command(server, tmp_path, "1", "3", verb=DIFF)
    assert (code, err) == (OK, "")
    assert "the same: code, params, environment, inputs, caps, outputs, outcome" in out
    assert "what run 1 and run 3 left is the same" in out
    code, out, _ = await command(server, tmp_path, "show", "3", verb=("runs",))
    assert (code, "does again" in out) == (OK, True)


async def test_other_bytes_parameters_and_code_are_named(server: Server, tmp_path: Path) -> None:
    both = await proved(server, tmp_path)
    other = fresh(14_000)
    await reproduced(both, other)
    found = sections(await diff(server, 1, 3))
    assert [d["at"] for d in found["outputs"]] == ["/artifacts/report.html/sha256"]
    code, out, _ = await command(server, tmp_path, "1", "3", verb=DIFF)
    assert (code, "artifacts/report.html/sha256" in out, "left is NOT the same" in out) == (FAILED, True, True)
    await server.template(params_schema=SIZED, entrypoint="main:newer")
    await server.submit(params={"size": 7}, caps={"wall_seconds": 60})
    await run_with(await Worker.start(server), both.data[0])
    found = sections(await diff(server, "1", "4"))
    assert {d["at"]: (d["one"], d["other"]) for d in found["params"]} == {"/size": (14000, 7)}
    assert found["code"][0]["at"] == "/entrypoint"
    assert ("/wall_seconds", None, 60) in [(d["at"], d["one"], d["other"]) for d in found["caps"]]
    assert "outputs" not in found


async def test_pipelines_are_compared_task_by_task(server: Server, tmp_path: Path) -> None:
    await server.template("step")
    tasks = {"one": {"template": "step"}, "two": {"template": "step", "depends_on": ["one"]}}
    await server.operator.put(f"{API}/templates/steps", json={"name": "steps", "kind": "pipeline", "tasks": tasks})
    first = await server.submit("steps")
    worker = await Worker.start(server)
    data = fresh(100)
    for _ in range(2):
        await run_with(worker, data)
    answer = await server.operator.post(f"{API}/runs/{first['number']}/reproduce", json={"idempotency_key": "k"})
    again = answer.json()
    await run_with(worker, data)
    await run_with(worker, fresh(100))
    found = await diff(server, first["number"], again["number"])
    assert [(task["task_key"], task["same_outputs"]) for task in found["tasks"]] == [("one", True), ("two", False)]
    assert found["same_outputs"] is False
    code, out, _ = await command(server, tmp_path, str(first["number"]), str(again["number"]), verb=DIFF)
    assert (code, "task two: run" in out) == (FAILED, True)
    repeated = await server.operator.post(f"{API}/runs/{first['number']}/reproduce", json={"idempotency_key": "k"})
    assert (repeated.status_code, repeated.json()["run_id"]) == (200, again["run_id"])


async def test_runs_that_have_not_ended_are_neither_compared_nor_reproduced(server: Server, tmp_path: Path) -> None:
    await server.template()
    await server.submit()
    for path, verb in (("diff/1", server.operator.get), ("reproduce", server.operator.post)):
        answer = await verb(f"{API}/runs/1/{path}")
        assert (answer.status_code, answer.json()["code"]) == (409, "invalid_transition")
        assert "run 1 is queued" in answer.json()["detail"]
    code, _, err = await command(server, tmp_path, "1", "1", verb=DIFF)
    assert (code, "Compare runs that have ended" in err) == (REFUSED, True)
    assert (await server.operator.get(f"{API}/runs/99/diff/1")).status_code == 404


async def test_reproduce_by_command_says_what_to_do_next(server: Server, tmp_path: Path) -> None:
    await proved(server, tmp_path)
    code, out, err = await command(server, tmp_path, "1", verb=REPRODUCE)
    assert (code, err) == (OK, "")
    assert "run 3 does run 1 again" in out
    assert "diff 1 3" in out
    code, out, _ = await command(server, tmp_path, "2", "--json", verb=REPRODUCE)
    assert (code, json.loads(out)["reproduces_number"]) == (OK, 2)


async def test_a_reused_run_shows_gives_and_proves_what_the_other_left(server: Server, tmp_path: Path) -> None:
    await server.template(reuse="same_inputs")
    await server.submit()
    worker = await Worker.start(server)
    data = fresh(300)
    _, artifact = await run_with(worker, data)
    code, out, err = await command(server, tmp_path, "job", "--follow")
    assert (code, err) == (OK, "")
    code, out, _ = await command(server, tmp_path, "show", "2", verb=("runs",))
    assert "run 1 did this with the same inputs" in out
    code, out, err = await command(
        server, tmp_path, "get", "2/report.html", "--output", "got.html", verb=("artifacts",)
    )
    assert (code, err) == (OK, ""), err
    assert (tmp_path / "got.html").read_bytes() == data
    await make_manifests(server, None)
    manifest = (await server.operator.get(f"{API}/runs/2/manifest")).json()
    made = json.loads(manifest["manifest"]["text"])
    assert (made["reused_from"]["number"], made["artifacts"][0]["artifact_id"]) == (1, artifact)
    code, out, _ = await command(server, tmp_path, "2", verb=("verify",))
    assert (code, "300 bytes have sha256" in out) == (OK, True)
    code, out, _ = await command(server, tmp_path, "job", "--fresh", "--json")
    assert (json.loads(out)["state"], json.loads(out)["reused_from"]) == ("queued", None)


async def test_a_template_that_adds_or_only_orders_work_cannot_reuse(server: Server) -> None:
    output = {"name": "out", "format": "delta", "mode": "append", "path": "gold/t"}
    for spec, path in (
        ({"kind": "python", "entrypoint": "main:run", "outputs": [output]}, "/outputs/0/mode"),
        ({"kind": "pipeline", "tasks": {"one": {"template": "job"}}}, "/reuse"),
    ):
        await server.template()
        answer = await server.operator.put(f"{API}/templates/x", json={"name": "x", "reuse": "same_inputs"} | spec)
        assert answer.status_code == 422, answer.text
        assert path in [issue["path"] for issue in answer.json()["errors"]]
