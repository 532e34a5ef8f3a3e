"""Uploads in parts: each part verified by the store, the whole by the server, and nothing of it seen before."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from contract.server.object_store import ObjectStore, StoredObject
from contract.server.parts import declared
from contract.server.store_parts import MIB, part_count, part_size_of, size_of_part
from contract.server.verifying import Verifier
from control_room.reactor.collector import Collector
from tests.contract.plane import OTHER, Plane, plane_over, server_settings
from tests.support.ops import Ops
from tests.support.seaweed import Seaweed

Json = dict[str, Any]
PART = 5 * MIB


@pytest.fixture
async def plane(ops18: Ops, object_store: Seaweed, tmp_path: Path) -> AsyncIterator[Plane]:
    """The whole plane, with the smallest parts there are."""
    async with plane_over(ops18, server_settings(tmp_path, object_store, part_bytes=PART)) as found:
        yield found


def three_parts() -> list[bytes]:
    """Two whole parts and a short one, that no other test has."""
    return [os.urandom(PART), os.urandom(PART), os.urandom(1000)]


def key_of(data: bytes) -> str:
    digest = hashlib.sha256(data).hexdigest()
    return f"default/sha256/{digest[:2]}/{digest}"


async def begun(plane: Plane, run: Json, parts: list[bytes], name: str = "big.bin") -> str:
    """An artifact begun in parts; its id."""
    answer = await plane.begin(run, b"".join(parts), name, resume=True)
    assert answer.status_code == 200, answer.text
    body: Json = answer.json()
    assert (body["upload"], body["multipart"]) == (None, {"part_size": PART, "parts": len(parts)})
    return str(body["artifact_id"])


async def put(plane: Plane, signed: Json, data: bytes) -> httpx.Response:
    return await plane.put(signed["upload"], data)


async def sent(plane: Plane, run: Json, artifact_id: str, parts: list[bytes], first: int = 1) -> None:
    """Parts signed and put."""
    answer = await plane.sign(run, artifact_id, parts, first)
    assert answer.status_code == 200, answer.text
    for signed in answer.json()["uploads"]:
        assert (await put(plane, signed, parts[signed["number"] - first])).status_code == 200


def uploads(plane: Plane, parts: list[bytes]) -> int:
    """How many uploads of these bytes the store has open."""
    found = plane.s3.list_multipart_uploads(Bucket="artifacts").get("Uploads", [])
    return [one["Key"] for one in found].count(key_of(b"".join(parts)))


def rows(plane: Plane, query: str) -> list[tuple[Any, ...]]:
    return plane.ops.admin.execute(query).fetchall()


def on_record(plane: Plane) -> int:
    return int(plane.ops.value("select count(*) from ops.uploads"))


def state(plane: Plane, artifact_id: str) -> str:
    return str(plane.ops.value("select state from ops.artifacts where artifact_id = %s", artifact_id))


# How it goes ----------------------------------------------------------------------------------------------------------


async def test_parts_go_up_and_the_server_reads_the_whole_before_it_records(plane: Plane) -> None:
    _, run = await plane.claimed()
    parts = three_parts()
    data = b"".join(parts)
    artifact_id = await begun(plane, run, parts)
    await sent(plane, run, artifact_id, parts)
    assert await plane.objects.head(key_of(data)) is None, "nothing is there before it is put together"
    recorded = (await plane.record(run, artifact_id)).json()
    assert (recorded["state"], recorded["sha256"]) == ("recorded", hashlib.sha256(data).hexdigest())
    assert recorded["verify_ms"] >= 0
    events = (await plane.store.run_events(plane.operator, run["run_id"], {}))["items"]
    (told,) = [event for event in events if event["type"] == "artifact.recorded"]
    assert told["data"]["verify_ms"] == recorded["verify_ms"]
    assert (uploads(plane, parts), on_record(plane)) == (0, 0)
    assert await plane.objects.head(key_of(data)) == StoredObject(len(data), None)
    await plane.report(run)
    link = (await plane.call("GET", f"/artifacts/{artifact_id}", token=OTHER)).json()
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(link["url"])).content == data


async def test_the_signature_of_a_part_covers_its_number_length_and_checksum(plane: Plane) -> None:
    _, run = await plane.claimed()
    parts = three_parts()
    artifact_id = await begun(plane, run, parts)
    (signed,) = (await plane.sign(run, artifact_id, parts[1:2], 2)).json()["uploads"]
    query = parse_qs(urlsplit(signed["upload"]["url"]).query)
    covered = set(query["X-Amz-SignedHeaders"][0].split(";"))
    assert covered == {"host", "content-length", "x-amz-checksum-sha256"}
    assert (query["partNumber"], int(query["X-Amz-Expires"][0]) <= 900) == (["2"], True)
    elsewhere = signed["upload"] | {"url": signed["upload"]["url"].replace("partNumber=2", "partNumber=1")}
    assert (await plane.put(elsewhere, parts[1])).status_code == 403
    without = signed["upload"] | {"headers": {"content-length": str(PART)}}
    assert (await plane.put(without, parts[1])).status_code == 403


async def test_after_a_lost_connection_only_what_is_missing_is_sent(plane: Plane) -> None:
    _, run = await plane.claimed()
    parts = three_parts()
    artifact_id = await begun(plane, run, parts)
    await sent(plane, run, artifact_id, parts[:2])
    assert await begun(plane, run, parts) == artifact_id
    asked = (await plane.sign(run, artifact_id, parts)).json()
    assert asked["held"] == [1, 2]
    assert [one["number"] for one in asked["uploads"]] == [3]
    await put(plane, asked["uploads"][0], parts[2])
    assert (await plane.record(run, artifact_id)).json()["state"] == "recorded"


async def test_a_later_attempt_of_the_run_goes_on_where_the_lost_one_ended(plane: Plane) -> None:
    executor_id, run = await plane.claimed(retry={"max_attempts": 3})
    parts = three_parts()
    await sent(plane, run, await begun(plane, run, parts), parts[:2])
    failed = {"outcome": "failed", "error": {"class": "internal", "code": "gone", "message": "the machine went"}}
    assert (await plane.report(run, **failed)).json()["route"]["decision"] == "retry"
    plane.ops.move_clock(600)
    (again,) = await plane.claim(executor_id)
    assert (again["run_id"], again["epoch"]) == (run["run_id"], 2)
    artifact_id = await begun(plane, again, parts)
    assert (await plane.sign(again, artifact_id, [])).json()["held"] == [1, 2]
    await sent(plane, again, artifact_id, parts)
    assert (await plane.record(again, artifact_id)).json()["state"] == "recorded"


async def test_bytes_that_came_in_parts_are_known_to_the_next_who_brings_them(plane: Plane) -> None:
    _, run = await plane.claimed()
    parts = three_parts()
    artifact_id = await begun(plane, run, parts)
    await sent(plane, run, artifact_id, parts)
    await plane.record(run, artifact_id)
    for more in ({}, {"resume": True}):
        again = (await plane.begin(run, b"".join(parts), f"copy {len(more)}", **more)).json()
        assert (again["already_stored"], again["upload"], again.get("multipart")) == (True, None, None)
        assert (await plane.record(run, again["artifact_id"])).json()["state"] == "recorded"


async def test_a_server_that_dies_after_putting_it_together_leaves_what_another_one_records(plane: Plane) -> None:
    _, run = await plane.claimed()
    parts = three_parts()
    artifact_id = await begun(plane, run, parts)
    await sent(plane, run, artifact_id, parts)
    ((key, store_id),) = rows(plane, "select object_key, store_id from ops.uploads")
    listed = plane.s3.list_parts(Bucket="artifacts", Key=key, UploadId=store_id)["Parts"]
    named = [{"PartNumber": one["PartNumber"], "ETag": one["ETag"]} for one in listed]
    for one, part in zip(named, parts, strict=True):
        one["ChecksumSHA256"] = base64.b64encode(hashlib.sha256(part).digest()).decode()
    plane.s3.complete_multipart_upload(Bucket="artifacts", Key=key, UploadId=store_id, MultipartUpload={"Parts": named})
    assert (await plane.begin(run, b"".join(parts), "big.bin", resume=True)).json()["already_stored"]
    assert (await plane.record(run, artifact_id)).json()["state"] == "recorded"
    assert on_record(plane) == 0


async def test_who_asks_while_the_server_reads_is_told_to_come_again_and_the_bytes_are_read_once(plane: Plane) -> None:
    _, run = await plane.claimed()
    parts = three_parts()
    artifact_id = await begun(plane, run, parts)
    await sent(plane, run, artifact_id, parts)
    verifier = plane.app.state.executor_plane.verifier
    verifier.patience = 0.0
    answer = await plane.record(run, artifact_id)
    assert (answer.status_code, answer.json()["code"]) == (503, "artifact_verifying")
    assert (int(answer.headers["retry-after"]), answer.json()["size"]) == (2, len(b"".join(parts)))
    assert state(plane, artifact_id) == "begun"
    verifier.patience = 30.0
    recorded = await asyncio.gather(*(plane.record(run, artifact_id) for _ in range(5)))
    assert {one.json()["state"] for one in recorded} == {"recorded"}
    assert len({one.json()["verify_ms"] for one in recorded}) == 1


async def test_what_one_put_cannot_hold_is_refused_unless_it_goes_up_in_parts(plane: Plane) -> None:
    _, run = await plane.claimed()
    large = {"size": 5 * 2**30 + 1, "sha256": hashlib.sha256(uuid.uuid4().bytes).hexdigest()}
    refused = await plane.begin(run, b"", "large.bin", **large)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")
    assert "resume" in refused.text
    assert (await plane.begin(run, b"", "large.bin", **large, resume=True)).json()["multipart"]["parts"] == 1025
    beyond = await plane.begin(run, b"", "beyond.bin", **large | {"size": 5 * 2**40 + 1}, resume=True)
    assert beyond.status_code == 422


def test_an_object_has_ten_thousand_parts_at_most() -> None:
    for size in (1, PART, PART + 1, 10_000 * PART, 10_000 * PART + 1, 2**40 + 7, 5 * 2**40):
        part = part_size_of(size, PART)
        count = part_count(size, part)
        assert count <= 10_000
        assert sum(size_of_part(n, size, part) for n in range(1, count + 1)) == size
        assert size_of_part(count, size, part) > 0


# What is refused ------------------------------------------------------------------------------------------------------


async def test_the_store_refuses_parts_of_other_bytes_and_other_lengths(plane: Plane) -> None:
    _, run = await plane.claimed()
    parts = three_parts()
    artifact_id = await begun(plane, run, parts)
    first, *_ = (await plane.sign(run, artifact_id, parts)).json()["uploads"]
    wrong = await put(plane, first, b"X" + parts[0][1:])
    assert (wrong.status_code, "BadDigest" in wrong.text) == (400, True)
    longer = first["upload"] | {"headers": first["upload"]["headers"] | {"content-length": str(PART + 1)}}
    assert (await plane.put(longer, parts[0] + b"x")).status_code == 403
    assert (await plane.sign(run, artifact_id, [])).json()["held"] == []


async def test_swapped_parts_are_refused_by_the_digest_of_the_whole_and_removed(plane: Plane) -> None:
    _, run = await plane.claimed()
    parts = three_parts()
    artifact_id = await begun(plane, run, parts)
    await sent(plane, run, artifact_id, [parts[1], parts[0], parts[2]])  # each as it was declared, in the wrong place
    refused = await plane.record(run, artifact_id)
    assert refused.status_code == 409
    assert refused.json()["code"] == "digest_mismatch"
    assert refused.json()["sha256"] == hashlib.sha256(parts[1] + parts[0] + parts[2]).hexdigest()
    assert await plane.objects.head(key_of(b"".join(parts))) is None
    assert state(plane, artifact_id) == "begun"
    assert await begun(plane, run, parts) == artifact_id
    await sent(plane, run, artifact_id, parts)
    assert (await plane.record(run, artifact_id)).json()["state"] == "recorded"


async def test_a_part_that_was_named_with_other_bytes_gives_the_upload_up(plane: Plane) -> None:
    _, run = await plane.claimed()
    parts = three_parts()
    artifact_id = await begun(plane, run, parts)
    await sent(plane, run, artifact_id, parts[:1])
    refused = await plane.sign(run, artifact_id, [parts[1]])
    assert refused.status_code == 409
    assert (refused.json()["code"], refused.json()["parts"]) == ("digest_mismatch", [1])
    assert (uploads(plane, parts), on_record(plane)) == (0, 0)


async def test_a_missing_part_is_named(plane: Plane) -> None:
    _, run = await plane.claimed()
    parts = three_parts()
    artifact_id = await begun(plane, run, parts)
    await sent(plane, run, artifact_id, [parts[0]])
    await sent(plane, run, artifact_id, [parts[2]], 3)
    refused = await plane.record(run, artifact_id)
    assert (refused.json()["code"], refused.json()["missing"]) == ("upload_missing", [2])
    assert await plane.objects.head(key_of(b"".join(parts))) is None


async def test_a_part_that_the_object_does_not_have_is_refused(plane: Plane) -> None:
    _, run = await plane.claimed()
    parts = three_parts()
    artifact_id = await begun(plane, run, parts)
    refused = await plane.sign(run, artifact_id, [parts[0]], 4)
    assert (refused.status_code, refused.json()["errors"][0]["path"]) == (422, "/parts/0/number")


async def test_an_upload_is_nobody_elses(plane: Plane) -> None:
    executor_id, run = await plane.claimed()
    parts = three_parts()
    artifact_id = await begun(plane, run, parts)
    (signed, *_) = (await plane.sign(run, artifact_id, parts)).json()["uploads"]
    await plane.submit()
    (other,) = await plane.claim(executor_id)
    for refused in (
        await plane.sign(other, artifact_id, []),  # the artifact of another run
        await plane.record(other, artifact_id),
    ):
        assert (refused.status_code, refused.json()["code"]) == (404, "artifact_not_found")
    for refused in (
        await plane.sign(run, artifact_id, [], token=OTHER),  # another executor's token
        await plane.record(run, artifact_id, token=OTHER),
    ):
        assert refused.status_code in (403, 404), refused.text
    assert await begun(plane, other, parts) != artifact_id
    assert (await plane.sign(other, artifact_id, [])).status_code == 404
    ((mine,), (theirs,)) = rows(plane, "select store_id from ops.uploads order by begun_at")
    swapped = signed["upload"] | {"url": signed["upload"]["url"].replace(mine, theirs)}
    assert (await plane.put(swapped, parts[0])).status_code == 403, "the signature covers the upload's id"


async def test_a_replayed_address_changes_nothing(plane: Plane) -> None:
    _, run = await plane.claimed()
    parts = three_parts()
    artifact_id = await begun(plane, run, parts)
    signed = (await plane.sign(run, artifact_id, parts)).json()["uploads"]
    for one in signed:
        await put(plane, one, parts[one["number"] - 1])
    assert (await put(plane, signed[0], parts[0])).status_code == 200, "the same part once more, before"
    assert (await plane.record(run, artifact_id)).json()["state"] == "recorded"
    before = await plane.objects.head(key_of(b"".join(parts)))
    assert (await put(plane, signed[0], parts[0])).status_code == 404, "the upload is over"
    after = await plane.objects.head(key_of(b"".join(parts)))
    assert before is not None
    assert after is not None
    assert before.version == after.version


async def test_two_runs_that_bring_the_same_bytes_write_them_once(plane: Plane) -> None:
    executor_id, run = await plane.claimed()
    await plane.submit()
    (other,) = await plane.claim(executor_id)
    parts = three_parts()
    mine, theirs = await begun(plane, run, parts), await begun(plane, other, parts)
    await sent(plane, run, mine, parts)
    await sent(plane, other, theirs, parts)
    both = await asyncio.gather(plane.record(run, mine), plane.record(other, theirs))
    assert [one.json()["state"] for one in both] == ["recorded", "recorded"]
    assert (uploads(plane, parts), on_record(plane)) == (0, 0)


async def test_parts_never_take_the_place_of_bytes_that_are_there(plane: Plane) -> None:
    executor_id, run = await plane.claimed()
    await plane.submit()
    (other,) = await plane.claim(executor_id)
    parts = three_parts()
    data = b"".join(parts)
    bad = await begun(plane, run, parts)
    await sent(plane, run, bad, [parts[1], parts[0], parts[2]])
    good = (await plane.begin(other, data)).json()
    assert (await plane.put(good["upload"], data)).status_code == 200
    assert (await plane.record(other, good["artifact_id"])).json()["state"] == "recorded"
    before = await plane.objects.head(key_of(data))
    assert before == StoredObject(len(data), hashlib.sha256(data).hexdigest())
    assert (await plane.record(run, bad)).json()["state"] == "recorded", "by the bytes that are there"
    after = await plane.objects.head(key_of(data))
    assert after is not None
    assert after.version == before.version


async def test_a_wrong_announcement_removes_nobodys_bytes(plane: Plane) -> None:
    executor_id, run = await plane.claimed()
    await plane.submit()
    (other,) = await plane.claim(executor_id)
    parts = three_parts()
    data = b"".join(parts)
    artifact_id = await begun(plane, run, parts)
    await sent(plane, run, artifact_id, parts)
    plane.app.state.executor_plane.verifier.patience = 0.0
    assert (await plane.record(run, artifact_id)).status_code == 503, "put together, and not on record yet"
    plane.app.state.executor_plane.verifier.patience = 30.0
    lie = (await plane.begin(other, data, size=len(data) - 1)).json()
    assert (await plane.record(other, lie["artifact_id"])).json()["code"] == "digest_mismatch"
    assert await plane.objects.head(key_of(data)) is not None
    assert (await plane.record(run, artifact_id)).json()["state"] == "recorded"


async def test_putting_parts_together_never_replaces_an_object(plane: Plane) -> None:
    """As when somebody has stored the right bytes between the server's look and its word to the store."""
    _, run = await plane.claimed()
    parts = three_parts()
    data = b"".join(parts)
    artifact_id = await begun(plane, run, parts)
    await sent(plane, run, artifact_id, [parts[1], parts[0], parts[2]])
    upload = await plane.store.open_upload(await plane.executor(), run["run_id"], artifact_id, {"epoch": run["epoch"]})
    assert upload is not None
    held = await plane.objects.list_parts(upload["object_key"], upload["store_id"])
    assert held is not None
    plane.s3.put_object(Bucket="artifacts", Key=key_of(data), Body=data)
    await plane.objects.complete_upload(upload["object_key"], upload["store_id"], declared(upload), held)
    found = await plane.objects.verify(key_of(data))
    assert found == StoredObject(len(data), hashlib.sha256(data).hexdigest())


# What is left over ----------------------------------------------------------------------------------------------------


async def test_after_a_cancel_nothing_is_seen_and_the_parts_are_given_up_after_the_safety_window(plane: Plane) -> None:
    _, run = await plane.claimed()
    parts = three_parts()
    artifact_id = await begun(plane, run, parts)
    signed = (await plane.sign(run, artifact_id, parts)).json()["uploads"]
    await plane.store.cancel_run(plane.operator, run["run_id"], {"reason": "test", "force": True})
    for one in signed:  # an address cannot be called back
        assert (await put(plane, one, parts[one["number"] - 1])).status_code == 200
    for refused in (
        await plane.sign(run, artifact_id, parts),
        await plane.record(run, artifact_id),
        await plane.begin(run, b"".join(parts), "big.bin", resume=True),
    ):
        assert (refused.status_code, refused.json()["code"]) == (409, "lease_lost")
    assert await plane.objects.head(key_of(b"".join(parts))) is None
    collector = Collector(plane.store, plane.objects)
    await collector.collect()
    assert uploads(plane, parts) == 1, "within the safety window"
    plane.ops.admin.execute("update ops.settings set value = '0' where key = 'orphan_safety_hours'")
    shown = await plane.store.list_collection(plane.operator)
    assert shown["uploads"] == {"open": 1, "collectable": 1}
    await collector.collect()
    assert (uploads(plane, parts), on_record(plane)) == (0, 0)
    assert (await put(plane, signed[0], parts[0])).status_code == 404


async def test_an_upload_that_no_server_wrote_down_is_given_up_too(plane: Plane) -> None:
    stray = plane.s3.create_multipart_upload(Bucket="artifacts", Key=key_of(uuid.uuid4().bytes))["UploadId"]
    foreign = plane.s3.create_multipart_upload(Bucket="artifacts", Key=f"not-ours/{uuid.uuid4()}")
    await Collector(plane.store, plane.objects).collect()
    plane.ops.admin.execute("update ops.settings set value = '0' where key = 'orphan_safety_hours'")
    assert stray in [one.store_id for one in await plane.objects.list_uploads()]
    await Collector(plane.store, plane.objects).collect()
    assert [one.store_id for one in await plane.objects.list_uploads()] == [foreign["UploadId"]]
    await plane.objects.abort_upload(foreign["Key"], foreign["UploadId"])


async def test_an_attempt_that_is_at_it_keeps_its_upload_however_long_it_takes(plane: Plane) -> None:
    _, run = await plane.claimed()
    parts = three_parts()
    artifact_id = await begun(plane, run, parts)
    await sent(plane, run, artifact_id, parts[:1])
    plane.ops.admin.execute("update ops.settings set value = '0' where key = 'orphan_safety_hours'")
    await Collector(plane.store, plane.objects).collect()
    asked = await plane.sign(run, artifact_id, [])
    assert asked.status_code == 200
    assert asked.json()["held"] == [1]


async def test_an_upload_that_the_store_gave_up_by_itself_is_begun_anew(plane: Plane) -> None:
    _, run = await plane.claimed()
    parts = three_parts()
    artifact_id = await begun(plane, run, parts)
    await sent(plane, run, artifact_id, parts[:1])
    ((key, store_id),) = rows(plane, "select object_key, store_id from ops.uploads")
    plane.s3.abort_multipart_upload(Bucket="artifacts", Key=key, UploadId=store_id)
    assert (await plane.sign(run, artifact_id, [])).json()["code"] == "upload_missing"
    await begun(plane, run, parts)
    await sent(plane, run, artifact_id, parts)
    assert (await plane.record(run, artifact_id)).json()["state"] == "recorded"


async def test_a_store_that_is_away_while_the_server_reads_is_no_verdict(plane: Plane, tmp_path: Path) -> None:
    _, run = await plane.claimed()
    parts = three_parts()
    artifact_id = await begun(plane, run, parts)
    await sent(plane, run, artifact_id, parts)
    services = plane.app.state.executor_plane
    real = services.verifier
    away = Verifier(ObjectStore.from_settings(server_settings(tmp_path)))
    object.__setattr__(services, "verifier", away)
    assert (await plane.record(run, artifact_id)).json()["code"] == "object_store_unavailable"
    object.__setattr__(services, "verifier", real)
    assert (await plane.record(run, artifact_id)).json()["state"] == "recorded"
