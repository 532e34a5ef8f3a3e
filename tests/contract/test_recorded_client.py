"""A recorded older client, replayed: the server answers it as it did, by the document of its own version."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from contract.versions import BY_NAME, NEWEST, VERSIONS
from tests.contract.document import operations
from tests.contract.plane import EXECUTOR, Plane
from tests.contract.recordings.operating import act
from tests.contract.recordings.recording import FOLDER, Json, Values, members, named, read
from tests.contract.validating import check, operation_of

OLDER = [version.name for version in VERSIONS if version.name != NEWEST]


async def sent(plane: Plane, store: httpx.AsyncClient, request: Json) -> httpx.Response:
    """Send a request as it was recorded, to the plane or to the object store."""
    client, token = (store, {}) if request["to"] == "store" else (plane.http, {"authorization": f"Bearer {EXECUTOR}"})
    content = request["body"].encode() or None
    return await client.request(request["method"], request["url"], headers=request["headers"] | token, content=content)


def judged(line: Json, response: httpx.Response, values: Values, source: Path) -> Iterator[str]:
    """What is wrong with the live answer."""
    due = line["response"]
    if response.status_code != due["status"]:
        yield f"{due['status']} was recorded, {response.status_code} came: {response.text[:500]}"
    elif line["request"]["to"] == "store":
        yield from values.differences(due["body"], response.text if response.status_code == 200 else None)
    else:
        check(response.request, response, source)
        found = {"type": response.headers.get("content-type"), "body": response.json() if due["body"] else None}
        yield from values.differences({"type": due["type"], "body": due["body"]}, found)


async def replayed(plane: Plane, lines: list[Json], source: Path) -> int:
    """Replay a recording; how many exchanges it has."""
    values, count = Values(), 0
    async with httpx.AsyncClient(trust_env=False) as store:
        for line in lines:
            if "do" in line:
                await act(plane, values.fill(line))
                continue
            response = await sent(plane, store, values.fill(line["request"]))
            wrong = list(judged(line, response, values, source))
            assert not wrong, f"exchange {count}, {line['request']['method']} {line['request']['url']}: {wrong}"
            count += 1
    return count


@pytest.mark.parametrize("version", OLDER)
async def test_a_recorded_older_client_gets_the_answers_it_got(plane: Plane, version: str) -> None:
    lines = read(version)
    assert await replayed(plane, lines, BY_NAME[version].document) == sum("request" in line for line in lines)


@pytest.mark.parametrize("version", OLDER)
def test_each_older_version_has_a_recording_of_each_of_its_operations(version: str) -> None:
    source = BY_NAME[version].document
    asked = [line["request"] for line in read(version) if line.get("request", {}).get("to") == "plane"]
    met = {operation_of(one["method"], one["url"], source) for one in asked}
    # The client has it, and executors never ask for it: its answer is the newest document, whatever it is.
    assert {one.operation_id for one in met if one} == operations(source).keys() - {"getContract"}


def test_a_recording_holds_no_token_no_address_and_no_path_of_a_machine() -> None:
    for path in FOLDER.glob("*.jsonl"):
        text = path.read_text("utf-8")
        for word in ("authorization", "Bearer", "127.0.0.1", "localhost", "/tmp", "/home", "X-Amz-", EXECUTOR):
            assert word not in text, f"{path.name} holds {word}"


# The replay can fail --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", OLDER)
async def test_a_server_that_answers_otherwise_is_found_out(plane: Plane, version: str) -> None:
    line, *_ = copy.deepcopy(read(version))
    line["response"]["body"]["workspaces"] = ["another"]
    with pytest.raises(AssertionError, match=r"exchange 0, POST .*/body/workspaces/0: 'another' was recorded"):
        await replayed(plane, [line], BY_NAME[version].document)


ANSWER: Json = {
    "run_id": "«run_id 1»",
    "epoch": 1,
    "server_time": "«time»",
    "number": "«number»",
    "list": ["a"],
    "supported": "«versions»",
}
LIVE: Json = {
    "run_id": "r",
    "epoch": 1,
    "server_time": "2026-11-21T12:00:00Z",
    "number": 7,
    "list": ["a"],
    "supported": ["1.0"],
}


@pytest.mark.parametrize(
    "change",
    [
        *({"epoch": 2}, {"epoch": True}, {"epoch": "1"}, {"run_id": None}, {"run_id": "q"}, {"list": []}),
        {"supported": "1.0"},
        *({"list": ["b"]}, {"list": ["a", "a"]}, {"number": "7"}, {"server_time": None}, {"list": {"a": 1}}),
    ],
)
def test_a_changed_answer_is_a_difference(change: dict[str, Any]) -> None:
    values = Values()
    assert list(values.differences(ANSWER, LIVE | {"added": 1})) == []
    assert len(list(values.differences(ANSWER, LIVE | change))) == 1
    assert len(list(values.differences(ANSWER, {k: v for k, v in LIVE.items() if k not in change}))) == 1


def test_what_the_server_issues_is_named_wherever_it_comes_again() -> None:
    lines: list[Json] = [
        {"request": {"url": "/a", "body": ""}, "response": {"body": {"run_id": "r-1", "number": 4, "retry_at": None}}},
        {"do": "cancel", "run_id": "r-1"},
        {"request": {"url": "/runs/r-1", "body": '{"key": "r-1/1"}'}, "response": {"body": {"text": "r-1 ended"}}},
    ]
    kept = list(named(lines))
    assert [value for line in kept for _, value in members(line) if "r-1" in str(value)] == []
    assert kept[0]["response"]["body"] == {"run_id": "«run_id 1»", "number": "«number»", "retry_at": None}
    values = Values()
    values.known["«run_id 1»"] = "other"
    assert values.fill(kept[2]["request"]) == {"url": "/runs/other", "body": '{"key": "other/1"}'}
