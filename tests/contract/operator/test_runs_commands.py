"""What `control-room runs` and `submit` print, against a real server."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from uuid import uuid4

from control_room.errors import MISUSE, OK, REFUSED
from tests.contract.operator.conftest import API, Server, Worker
from tests.contract.operator.test_steering import fail
from tests.contract.operator.test_submit_command import command, lines

UTC_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d")


async def runs(server: Server, folder: Path, *words: str) -> str:
    """What `control-room runs …` prints on both streams; it must succeed."""
    code, out, err = await command(server, folder, *words, verb=("runs",))
    assert code == OK, (words, out, err)
    return out + err


async def failed(worker: Worker) -> None:
    await worker.claim()
    await fail(worker)


async def test_a_run_shows_its_result_and_its_parameters_as_the_command_line_takes_them(
    server: Server, tmp_path: Path
) -> None:
    types = {"fail": {"type": "boolean"}, "day": {"type": "string"}, "many": {"type": "array"}}
    await server.template(params_schema={"type": "object", "properties": types})
    await server.submit(params={"fail": False, "day": "2013-01-31", "many": [1, 2]})
    worker = await Worker.start(server)
    await worker.claim()
    await worker.succeed(result={"n": 4, "text": "é" * 1000})
    shown = await runs(server, tmp_path, "show", "1")
    for written in ("fail=false", "day=2013-01-31", "many=[1, 2]"):
        assert written in shown
    assert '"n": 4' in shown
    assert "runs show 1 --json)" in shown, "a long result says where the whole of it is"


async def test_a_retry_says_that_a_newer_version_is_there_and_takes_it_when_asked(
    server: Server, tmp_path: Path
) -> None:
    await server.template()
    await server.submit()
    worker = await Worker.start(server)
    await failed(worker)
    told = await runs(server, tmp_path, "retry", "1")
    assert "run 2 tries run 1 again; it is queued" in told
    assert "newest" not in told
    code, _, err = await command(server, tmp_path, "retry", "1", verb=("runs",))
    assert (code, "run 1 is being retried, by run 2, which is queued" in err) == (REFUSED, True), err
    await runs(server, tmp_path, "cancel", "2")
    await server.template(description="mended")
    told = await runs(server, tmp_path, "retry", "1")
    assert "run 3 uses job v1; v2 is the newest: submit anew, or cancel it, then `" in told
    assert "runs retry 1 --latest`" in told
    await runs(server, tmp_path, "cancel", "3")
    told = await runs(server, tmp_path, "retry", "1", "--latest")
    assert "run 4 tries run 1 again; it is queued" in told
    assert "newest" not in told
    assert (await server.operator.get(f"{API}/runs/4")).json()["template_version"] == 2
    assert "run 2, run 3, run 4" in await runs(server, tmp_path, "show", "1")


async def test_a_retry_of_a_success_says_that_it_is_done_anew(server: Server, tmp_path: Path) -> None:
    await server.template()
    await server.submit()
    worker = await Worker.start(server)
    await worker.claim()
    await worker.succeed()
    assert "run 1 had succeeded; run 2 does the same anew" in await runs(server, tmp_path, "retry", "1")


async def test_tasks_are_listed_with_their_template_and_a_pipeline_says_which_one_holds_it_up(
    server: Server, tmp_path: Path
) -> None:
    await server.template("plain")
    await server.operator.put(
        f"{API}/templates/flow", json={"name": "flow", "kind": "pipeline", "tasks": {"one": {"template": "plain"}}}
    )
    await server.submit("flow")
    listed = await runs(server, tmp_path, "ls", "--all")
    assert re.search(r"2 +one +plain +queued", listed), listed
    told = await runs(server, tmp_path, "why", "1")
    assert "task one (run 2) is queued: " in told


async def test_runs_are_listed_by_the_reason_that_they_wait_for(server: Server, tmp_path: Path) -> None:
    await server.template()
    budget = {"scope": "workspace", "scope_ref": "default", "unit": "runs", "period": "total", "limit": 0}
    assert (await server.operator.put(f"{API}/budgets", json=budget)).status_code == 200
    await server.submit(not_before="2099-01-01T00:00:00Z")
    held = await server.submit()
    worker = await Worker.start(server)
    body = {"request_id": str(uuid4()), "max_runs": 1, "wait_seconds": 0, "queues": None}
    claimed = await worker.client.post(f"/executor/v1/executors/{worker.executor_id}/claims", json=body)
    assert claimed.json()["runs"] == []
    listed = await runs(server, tmp_path, "ls", "--reason", "budget_exhausted", "--json")
    assert [run["number"] for run in json.loads(listed)["items"]] == [held["number"]]


async def test_times_in_sentences_are_local(server: Server, tmp_path: Path) -> None:
    await server.template()
    await server.submit()
    await failed(await Worker.start(server))
    told = await runs(server, tmp_path, "why", "1")
    assert "failed at 20" in told
    assert not UTC_TIME.search(told)


async def test_an_input_that_is_written_wrong_is_told_how_to_write_it(server: Server, tmp_path: Path) -> None:
    await server.template()
    code, _, err = await command(server, tmp_path, "job", "--after", "1", "--input", "readings")
    assert (code, "NAME=OUTPUT, or of several runs NAME=RUN:OUTPUT" in err) == (MISUSE, True), err


async def test_a_bulk_is_summed_up_once_with_the_numbers_of_its_runs(server: Server, tmp_path: Path) -> None:
    await server.template()
    bodies: list[Any] = [{"template": "job"}] * 3
    code, out, err = await command(server, tmp_path, "--bulk", "-", text=lines(*bodies))
    assert (code, out.strip(), err) == (OK, "3 runs submitted; runs 1 to 3", "")
    _, out, _ = await command(server, tmp_path, "--bulk", "-", text=lines({"template": "job"}))
    assert out.strip() == "1 run submitted; run 4"
