"""Addresses of uploads in wrong hands, at wrong times and with wrong bytes: refused, or never seen and collected."""

from __future__ import annotations

import asyncio
import hashlib
import os
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from contract.server.object_store import StoredObject
from control_room.reactor.collector import Collector
from tests.contract.plane import ERROR, OTHER, Plane

Json = dict[str, Any]
DAYS = 2 * 86_400.0


def key_of(data: bytes) -> str:
    digest = hashlib.sha256(data).hexdigest()
    return f"default/sha256/{digest[:2]}/{digest}"


def bytes_at(plane: Plane, data: bytes) -> bytes:
    found: bytes = plane.s3.get_object(Bucket="artifacts", Key=key_of(data))["Body"].read()
    return found


async def expired(plane: Plane) -> None:
    """Move time until the sweeper, which spares leases after an outage of its own, has taken one."""
    for seconds in range(3600, 7200, 10):
        plane.ops.move_clock(seconds)
        if (await plane.store.expire_leases())["expired"]:
            return
    raise AssertionError("no lease expired")


def state(plane: Plane, artifact_id: str) -> str:
    return str(plane.ops.value("select state from ops.artifacts where artifact_id = %s", artifact_id))


async def raw_put(upload: Json, body: bytes) -> bytes:
    """The PUT with its announced headers and this body, whatever its length, over a bare connection; what came back."""
    parts = urlsplit(upload["url"])
    assert parts.hostname
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    lines = [f"PUT {parts.path}?{parts.query} HTTP/1.1", f"host: {parts.netloc}", "connection: close"]
    lines += [f"{name}: {value}" for name, value in upload["headers"].items()]
    writer.write("\r\n".join([*lines, "", ""]).encode() + body)
    writer.write_eof()
    try:
        return await asyncio.wait_for(reader.read(), 20)
    except ConnectionResetError:  # the store closes on what it did not read
        return b""
    finally:
        writer.close()


async def test_an_address_that_is_used_again_changes_nothing(plane: Plane) -> None:
    _, run = await plane.claimed()
    data = os.urandom(1000)
    begun = (await plane.begin(run, data)).json()
    assert (await plane.put(begun["upload"], data)).status_code == 200
    assert (await plane.record(run, begun["artifact_id"])).json()["state"] == "recorded"
    first = await plane.objects.head(key_of(data))
    assert (await plane.put(begun["upload"], data)).status_code == 412
    assert (await plane.put(begun["upload"], data[::-1])).status_code in (400, 412)
    await plane.report(run)
    assert (await plane.put(begun["upload"], data)).status_code == 412, "after the report"
    last = await plane.objects.head(key_of(data))
    assert first is not None
    assert last is not None
    assert (first.version, bytes_at(plane, data)) == (last.version, data)


@pytest.mark.parametrize("change", ["truncated", "over-long", "other bytes"])
async def test_a_body_that_is_not_what_was_announced_is_not_stored(plane: Plane, change: str) -> None:
    _, run = await plane.claimed()
    data = os.urandom(200_000)
    begun = (await plane.begin(run, data)).json()
    body = {"truncated": data[:-1], "over-long": data + b"more", "other bytes": data[:-1] + bytes([data[-1] ^ 1])}
    answer = await raw_put(begun["upload"], body[change])
    if change == "over-long":  # HTTP ends the body at its announced length: the rest is no part of it
        assert await plane.objects.head(key_of(data)) in (
            None,
            StoredObject(len(data), hashlib.sha256(data).hexdigest()),
        )
        return
    assert not answer.startswith(b"HTTP/1.1 200")
    assert await plane.objects.head(key_of(data)) is None
    refused = (await plane.record(run, begun["artifact_id"])).json()
    assert refused["code"] == "upload_missing"


async def test_a_longer_body_that_says_so_is_refused_by_its_signature(plane: Plane) -> None:
    _, run = await plane.claimed()
    data = os.urandom(1000)
    begun = (await plane.begin(run, data)).json()
    longer = begun["upload"] | {"headers": begun["upload"]["headers"] | {"content-length": "1001"}}
    assert (await plane.put(longer, data + b"x")).status_code == 403
    shorter = begun["upload"] | {"headers": begun["upload"]["headers"] | {"content-length": "999"}}
    assert (await plane.put(shorter, data[:-1])).status_code == 403
    assert await plane.objects.head(key_of(data)) is None


@pytest.mark.parametrize("lost", ["cancelled", "expired"])
async def test_bytes_that_come_after_the_lease_was_lost_are_never_seen_and_collected(plane: Plane, lost: str) -> None:
    _, run = await plane.claimed()
    data = os.urandom(1000)
    begun = (await plane.begin(run, data)).json()
    if lost == "cancelled":
        await plane.store.cancel_run(plane.operator, run["run_id"], {"reason": "test", "force": True})
    else:
        await expired(plane)
    assert (await plane.put(begun["upload"], data)).status_code == 200, "an address cannot be called back"
    refused = await plane.record(run, begun["artifact_id"])
    assert (refused.status_code, refused.json()["code"]) == (409, "lease_lost")
    assert state(plane, begun["artifact_id"]) == "orphaned"
    assert (await plane.call("GET", f"/artifacts/{begun['artifact_id']}", token=OTHER)).status_code == 404
    collector = Collector(plane.store, plane.objects)
    await collector.collect()
    assert await plane.objects.head(key_of(data)) is not None, "within the safety window"
    plane.ops.move_clock(DAYS)
    await collector.collect()
    assert await plane.objects.head(key_of(data)) is None


async def test_two_attempts_with_the_same_name_keep_each_its_own_and_one_is_seen(plane: Plane) -> None:
    executor_id, first = await plane.claimed(retry={"max_attempts": 2})
    old, new = os.urandom(1000), os.urandom(1000)
    late = (await plane.begin(first, old, "result.bin")).json()
    failed = {"outcome": "failed", "error": ERROR | {"class": "internal"}}
    assert (await plane.report(first, **failed)).json()["route"]["decision"] == "retry"
    plane.ops.move_clock(600)
    (second,) = await plane.claim(executor_id)
    begun = (await plane.begin(second, new, "result.bin")).json()
    assert begun["artifact_id"] != late["artifact_id"]
    await plane.put(begun["upload"], new)
    assert (await plane.put(late["upload"], old)).status_code == 200
    assert (await plane.record(first, late["artifact_id"])).json()["code"] == "lease_lost"
    assert (await plane.record(second, late["artifact_id"])).json()["code"] == "artifact_not_found"
    assert (await plane.record(second, begun["artifact_id"])).json()["state"] == "recorded"
    await plane.report(second)
    items = (await plane.store.run_artifacts(plane.operator, second["run_id"]))["items"]
    assert {item["epoch"]: item["state"] for item in items} == {1: "orphaned", 2: "visible"}
    (seen,) = [item for item in items if item["state"] == "visible"]
    assert seen["sha256"] == hashlib.sha256(new).hexdigest()


async def test_another_executors_token_neither_begins_nor_records(plane: Plane) -> None:
    _, run = await plane.claimed()
    data = os.urandom(1000)
    begun = (await plane.begin(run, data)).json()
    await plane.put(begun["upload"], data)
    for refused in (
        await plane.begin(run, data, "theirs", token=OTHER),
        await plane.record(run, begun["artifact_id"], token=OTHER),
    ):
        assert refused.status_code in (403, 404, 409), refused.text
        assert "code" in refused.json()
    assert state(plane, begun["artifact_id"]) == "begun"
    assert plane.ops.value("select count(*) from ops.artifacts") == 1


async def test_an_address_opens_no_other_place_and_no_other_verb(plane: Plane) -> None:
    _, run = await plane.claimed()
    data, other = os.urandom(1000), os.urandom(1000)
    upload = (await plane.begin(run, data)).json()["upload"]
    elsewhere = upload | {"url": upload["url"].replace(hashlib.sha256(data).hexdigest(), "0" * 64)}
    assert (await plane.put(elsewhere, data)).status_code == 403
    for method in ("GET", "DELETE", "POST"):
        assert (await plane.put(upload | {"method": method}, data)).status_code in (403, 405)
    async with httpx.AsyncClient(trust_env=False) as client:
        unsigned = upload["url"].partition("?")[0]
        assert (await client.put(unsigned, content=other, headers=upload["headers"])).status_code == 403
    assert await plane.objects.head(key_of(data)) is None


async def test_what_the_servers_own_key_put_there_without_a_digest_is_read_and_refused(plane: Plane) -> None:
    """As it would be after somebody with the store's key changed an object before it was recorded."""
    _, run = await plane.claimed()
    data = os.urandom(1000)
    begun = (await plane.begin(run, data)).json()
    plane.s3.put_object(Bucket="artifacts", Key=key_of(data), Body=data[::-1])
    assert (await plane.put(begun["upload"], data)).status_code == 412
    refused = (await plane.record(run, begun["artifact_id"])).json()
    assert (refused["code"], refused["sha256"]) == ("digest_mismatch", hashlib.sha256(data[::-1]).hexdigest())
    again = (await plane.begin(run, data)).json()
    assert (await plane.put(again["upload"], data)).status_code == 200, "it was removed"
    assert (await plane.record(run, again["artifact_id"])).json()["state"] == "recorded"
    assert await plane.objects.head(key_of(data)) == StoredObject(len(data), hashlib.sha256(data).hexdigest())


async def test_an_object_that_others_have_on_record_is_told_of_and_left(plane: Plane) -> None:
    executor_id, run = await plane.claimed()
    await plane.submit()
    (other,) = await plane.claim(executor_id)
    data = os.urandom(1000)
    mine = (await plane.begin(run, data)).json()
    theirs = (await plane.begin(other, data)).json()
    await plane.put(mine["upload"], data)
    await plane.record(run, mine["artifact_id"])
    plane.s3.put_object(Bucket="artifacts", Key=key_of(data), Body=data[::-1])
    assert (await plane.record(other, theirs["artifact_id"])).json()["code"] == "digest_mismatch"
    assert bytes_at(plane, data) == data[::-1], "evidence, and its row says what it was"
