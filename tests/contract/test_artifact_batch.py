"""Many artifacts in one round trip: each for itself, none seen before its time, none at another's cost."""

from __future__ import annotations

import os
import uuid
from typing import Any

from tests.contract.plane import OTHER, Plane, begin_body

Json = dict[str, Any]


async def batch(plane: Plane, run: Json, record: list[str], begin: list[Json], **more: Any) -> Json:
    members = [{"artifact_id": one, "epoch": run["epoch"]} for one in record]
    path = f"/runs/{run['run_id']}/artifacts/batch"
    answer = await plane.call("POST", path, {"record": members, "begin": begin}, **more)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


def codes(members: list[Json]) -> list[str | None]:
    return [one["problem"] and one["problem"]["code"] for one in members]


async def test_a_hundred_are_begun_put_and_recorded(plane: Plane) -> None:
    _, run = await plane.claimed()
    data = {f"part-{n}": os.urandom(100) for n in range(100)}
    begun = (await batch(plane, run, [], [begin_body(run, data[name], name) for name in data]))["begun"]
    assert [one["name"] for one in begun] == list(data)
    for one in begun:
        assert (await plane.put(one["answer"]["upload"], data[one["name"]])).status_code == 200
    ids = [one["answer"]["artifact_id"] for one in begun]
    recorded = (await batch(plane, run, ids, []))["recorded"]
    assert [one["artifact"]["artifact_id"] for one in recorded] == ids
    assert {one["artifact"]["state"] for one in recorded} == {"recorded"}
    assert (await batch(plane, run, ids, []))["recorded"] == recorded, "the same again"
    await plane.report(run)
    items = (await plane.store.run_artifacts(plane.operator, run["run_id"]))["items"]
    assert {item["state"] for item in items} == {"visible"}
    chain = plane.ops.call_on(plane.ops.admin, "verify_events", run["run_id"])
    assert chain["ok"], chain


async def test_what_is_refused_costs_the_others_nothing(plane: Plane) -> None:
    _, run = await plane.claimed("capped", caps={"artifact_bytes": 1000, "artifact_count": 5})
    good, missing, wrong = os.urandom(100), os.urandom(100), os.urandom(100)
    begun = await batch(
        plane,
        run,
        [],
        [
            begin_body(run, good, "good"),
            begin_body(run, missing, "missing"),
            begin_body(run, wrong, "../wrong"),
            begin_body(run, os.urandom(5000), "too much"),
            begin_body(run, wrong, "good"),
            begin_body(run, wrong, "stale") | {"epoch": run["epoch"] + 1},
            begin_body(run, wrong, "last"),
        ],
    )
    due = [None, None, "artifact_name_invalid", "cap_exceeded", "artifact_conflict", "lease_lost", None]
    assert codes(begun["begun"]) == due
    first, second, last = (begun["begun"][n]["answer"] for n in (0, 1, 6))
    assert (await plane.put(first["upload"], good)).status_code == 200
    assert (await plane.put(last["upload"], wrong)).status_code == 200
    nobody = str(uuid.uuid4())
    told = await batch(plane, run, [first["artifact_id"], second["artifact_id"], nobody, last["artifact_id"]], [])
    assert codes(told["recorded"]) == [None, "upload_missing", "artifact_not_found", None]
    assert told["recorded"][1]["artifact"] is None


async def test_a_lost_lease_refuses_each(plane: Plane) -> None:
    _, run = await plane.claimed()
    data = os.urandom(100)
    (one,) = (await batch(plane, run, [], [begin_body(run, data)]))["begun"]
    await plane.put(one["answer"]["upload"], data)
    await plane.store.cancel_run(plane.operator, run["run_id"], {"reason": "test", "force": True})
    told = await batch(plane, run, [one["answer"]["artifact_id"]], [begin_body(run, data, "more")])
    assert codes(told["recorded"] + told["begun"]) == ["lease_lost", "lease_lost"]


async def test_another_token_gets_nothing(plane: Plane) -> None:
    _, run = await plane.claimed()
    data = os.urandom(100)
    (one,) = (await batch(plane, run, [], [begin_body(run, data)]))["begun"]
    await plane.put(one["answer"]["upload"], data)
    told = await batch(plane, run, [one["answer"]["artifact_id"]], [begin_body(run, data, "theirs")], token=OTHER)
    assert all(codes(told["recorded"] + told["begun"]))
    assert plane.ops.value("select count(*) from ops.artifacts where state = 'begun'") == 1


async def test_the_same_small_bytes_twice_are_put_once(plane: Plane) -> None:
    _, run = await plane.claimed()
    data = os.urandom(100)
    begun = (await batch(plane, run, [], [begin_body(run, data, "a"), begin_body(run, data, "b")]))["begun"]
    statuses = [(await plane.put(one["answer"]["upload"], data)).status_code for one in begun]
    assert statuses == [200, 412]
    ids = [one["answer"]["artifact_id"] for one in begun]
    assert codes((await batch(plane, run, ids, []))["recorded"]) == [None, None]


async def test_a_large_one_among_them_goes_up_in_parts(plane: Plane) -> None:
    _, run = await plane.claimed()
    data = os.urandom(6 * 2**20)
    (one,) = (await batch(plane, run, [], [begin_body(run, data) | {"resume": True}]))["begun"]
    answer = one["answer"]
    assert (answer["upload"], answer["multipart"]["parts"]) == (None, 1)
    (part,) = (await plane.sign(run, answer["artifact_id"], [data])).json()["uploads"]
    await plane.put(part["upload"], data)
    (recorded,) = (await batch(plane, run, [answer["artifact_id"]], []))["recorded"]
    assert recorded["artifact"]["verify_ms"] >= 0
