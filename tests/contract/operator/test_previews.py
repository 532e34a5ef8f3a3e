"""What people see of an artifact without its bytes."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from control_room.commands.artifact_preview import print_preview
from tests.contract.operator.conftest import API, Server, Worker, problem

TABLE: dict[str, Any] = {
    **{"type": "table", "format": "csv", "columns": [{"name": "a", "type": "text"}, {"name": "a", "type": "text"}]},
    **{"column_count": 2, "rows": 2, "page": [["1", "\x1b[31mred"], ["2", None]], "cut": False},
}


async def preview(server: Server, artifact_id: str) -> dict[str, Any]:
    answer = await server.operator.get(f"{API}/artifacts/{artifact_id}/preview")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_what_the_run_told_is_shown_with_the_artifact(
    server: Server, worker: Worker, capsys: pytest.CaptureFixture[str]
) -> None:
    data = b"a,a\n1,2\n"
    found = await preview(server, await worker.artifact("x.csv", data, "text/csv", "file", preview=TABLE))
    assert found["preview"] == TABLE
    assert (found["text"], found["text_cut"]) == ("a,a\n1,2\n", False)
    assert found["artifact"]["name"] == "x.csv"
    assert "object_key" not in found["artifact"]
    print_preview(found)
    shown = capsys.readouterr().out
    assert "2 rows, 2 columns: a text, a text" in shown
    assert "a (2)" in shown
    assert "\x1b[31m" not in shown


async def test_a_text_is_cut_at_64_kib_between_characters(server: Server, worker: Worker) -> None:
    found = await preview(server, await worker.artifact("x.log", "ä".encode() * 40_000, "text/plain", "log"))
    assert (found["text"], found["text_cut"]) == ("ä" * 32_768, True)
    odd = await preview(server, await worker.artifact("y.log", b"x" + "ä".encode() * 40_000, "text/plain", "log"))
    assert (odd["text"], odd["text_cut"]) == ("x" + "ä" * 32_767, True)
    binary = await preview(server, await worker.artifact("z.log", b"a\x00\xffb", "text/plain", "log"))
    assert binary["text"] == "a\x00\ufffdb"


async def test_json_is_shown_and_a_page_is_not(
    server: Server, worker: Worker, capsys: pytest.CaptureFixture[str]
) -> None:
    told = {"type": "json"}
    found = await preview(server, await worker.artifact("x.json", b'{"a":[1,2]}', "application/json", preview=told))
    print_preview(found)
    assert '  "a": [\n' in capsys.readouterr().out
    page = await preview(server, await worker.artifact("x.html", b"<p>hello", preview={"type": "html", "title": "T"}))
    assert page["text"] is None
    print_preview(page)
    assert "title: T" in capsys.readouterr().out


@pytest.mark.parametrize("told", [{"type": 7}, {"type": "table"}, {"type": "table", "columns": [], "page": [[]]}, {}])
async def test_whatever_a_run_told_can_be_printed(
    server: Server, worker: Worker, capsys: pytest.CaptureFixture[str], told: dict[str, Any]
) -> None:
    print_preview(await preview(server, await worker.artifact("x", uuid4().bytes, "image/png", preview=told)))
    assert "x: report, image/png, 16 B" in capsys.readouterr().out


async def test_a_preview_that_is_too_large_is_refused(server: Server, worker: Worker) -> None:
    body = {"name": "x", "kind": "file", "media_type": "text/csv", "size": 1, "sha256": "a" * 64}
    body["preview"] = {"type": "table", "page": [["x" * 70_000]]}
    answer = await worker.client.post(f"/executor/v1/runs/{worker.run['run_id']}/artifacts", json=body | {"epoch": 1})
    assert "65536" in problem(answer, 422, "invalid_request")["detail"]


async def test_an_artifact_that_others_own_is_not_shown(server: Server) -> None:
    problem(await server.operator.get(f"{API}/artifacts/{uuid4()}/preview"), 404, "artifact_not_found")
