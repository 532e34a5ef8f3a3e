"""`verify`: what was tampered with is found and named, by a real server over a real Postgres and object store."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from control_room.errors import FAILED, OK, REFUSED
from control_room.provenance import keys
from tests.contract.operator.conftest import API, Server, Worker, serving, until
from tests.contract.operator.proving import Proved, fresh, make_manifests, proved, run_with
from tests.contract.operator.test_submit_command import command
from tests.support.ops import Ops
from tests.support.postgres import Database
from tests.support.seaweed import Seaweed

VERIFY = ("verify",)


@pytest.fixture
async def both(server: Server, tmp_path: Path) -> Proved:
    return await proved(server, tmp_path)


def object_key(both: Proved, artifact: str) -> str:
    found: str = both.server.ops.value("select object_key from ops.artifacts where artifact_id = %s", artifact)
    return found


async def test_what_nobody_touched_holds(both: Proved, tmp_path: Path) -> None:
    code, out, err = await command(both.server, tmp_path, "1", verb=VERIFY)
    assert (code, err) == (OK, "")
    assert "all 7 checks hold" in out
    assert f"14000 bytes have sha256 {hashlib.sha256(both.data[0]).hexdigest()}" in out
    code, out, _ = await command(both.server, tmp_path, "1", "--json", verb=VERIFY)
    told = json.loads(out)
    assert (code, told["ok"]) == (OK, True)
    assert {finding["step"] for finding in told["findings"]} == {"manifest", "signature", "events", "artifacts"}


async def test_the_reactor_makes_and_signs_the_manifest_of_a_run_that_ends(
    pg18: Database, tokens: Ops, object_store: Seaweed, tmp_path: Path
) -> None:
    key = keys.ensure(tmp_path / "signing.key")
    async with serving(pg18, object_store, tmp_path, reactor=True, signing_key_file=key) as server:
        await server.template()
        await server.submit()
        await run_with(await Worker.start(server), fresh(100))
        await until(lambda: server.ops.value("select manifest_root from ops.runs") is not None)
        found = (await server.operator.get(f"{API}/runs/1/manifest")).json()
        known = (await server.operator.get(f"{API}/signing-keys")).json()["items"]
        code, out, _ = await command(server, tmp_path, "1", "--key", known[0]["key_id"], verb=VERIFY)
    assert (code, "all 7 checks hold" in out) == (OK, True)
    assert found["manifest"]["key_id"] == known[0]["key_id"] == keys.key_id(keys.public_of(keys.load(key)))
    assert found["manifest_root"] == found["manifest"]["root"]


async def test_a_byte_flipped_in_an_object_is_found(both: Proved, object_store: Seaweed, tmp_path: Path) -> None:
    flipped = bytearray(both.data[0])
    flipped[700] ^= 1
    key = object_key(both, both.artifacts[0])
    object_store.client().put_object(Bucket="artifacts", Key=key, Body=bytes(flipped))
    wanted, found = (hashlib.sha256(data).hexdigest() for data in (both.data[0], flipped))
    text = f"bytes 0 to 13999 have sha256 {found}, the manifest says {wanted}: at least one was changed"
    assert await both.broken() == [("artifacts", "report.html", text)]
    code, out, _ = await command(both.server, tmp_path, "1", verb=VERIFY)
    assert (code, f"BROKEN  artifacts    report.html: {text}" in out) == (FAILED, True)
    assert "1 of 7 checks do NOT hold" in out
    assert await both.broken("2") == []


async def test_an_object_cut_short_made_longer_or_removed_is_found(both: Proved, object_store: Seaweed) -> None:
    key, client = object_key(both, both.artifacts[1]), object_store.client()
    client.put_object(Bucket="artifacts", Key=key, Body=both.data[1][:100])
    ((_, _, text),) = await both.broken("2")
    assert text == "it ends at byte 100 of 500: bytes 100 to 499 are gone"
    client.put_object(Bucket="artifacts", Key=key, Body=both.data[1] + b"!!")
    ((_, _, text),) = await both.broken("2")
    assert text.startswith("it goes on after byte 499, its last: bytes 500 to 501 were added")
    client.delete_object(Bucket="artifacts", Key=key)
    assert await both.broken("2") == [("artifacts", "report.html", "its 500 bytes are gone from the store")]


@pytest.mark.parametrize(
    ("change", "where", "told"),
    [
        ("canonical = replace(canonical, 'report.html', 'Report.html')", "event 3", "the text or the hash was changed"),
        (
            "type = 'run.waiting'",
            "event 3",
            "its column type is 'run.waiting', the hashed text says 'artifact.recorded'",
        ),
        ("at = at + interval '1 hour'", "event 3", "its column at is"),
        ("prev_hash = sha256('x')", "event 3", "is not the hash before it"),
    ],
)
async def test_an_event_that_was_changed_is_named(both: Proved, change: str, where: str, told: str) -> None:
    both.tamper(f"update ops.events set {change} where run_id = %s and seq = 3", both.first["run_id"])
    ((step, place, text),) = await both.broken()
    assert (step, place) == ("events", where)
    assert told in text
    assert await both.broken("2") == []


async def test_events_that_are_gone_are_named(both: Proved) -> None:
    last = both.server.ops.value("select event_seq from ops.runs where number = 1")
    both.tamper("delete from ops.events where run_id = %s and seq = 2", both.first["run_id"])
    assert await both.broken() == [("events", "event 3", "it follows event 1: 1 between them are gone")]
    both.tamper("delete from ops.events where run_id = %s and seq = %s", both.second["run_id"], last)
    ended, named = await both.broken("2")
    assert ended == (
        "events",
        f"event {last}",
        f"the chain ends at event {last - 1}, the run says {last}: the last are gone",
    )
    assert named[1] == f"event {last}"
    assert f"the manifest counts {last} events, on record are {last - 1}" in named[2]


async def test_events_in_another_order_are_named(both: Proved) -> None:
    run_id = both.first["run_id"]
    for seq, to in ((2, 99), (3, 2), (99, 3)):
        both.tamper("update ops.events set seq = %s where run_id = %s and seq = %s", to, run_id, seq)
    ((step, where, text),) = await both.broken()
    assert (step, where) == ("events", "event 2")
    assert "is not the hash before it" in text


async def test_a_chain_written_anew_with_all_its_hashes_is_not_the_one_of_the_manifest(both: Proved) -> None:
    both.tamper(
        """
        with recursive told as (
          select seq, replace(canonical, 'worker-1', 'worker-2') as canonical from ops.events where run_id = %s
        ), chain as (
          select t.seq, t.canonical, decode(repeat('00', 32), 'hex') as prev_hash,
                 sha256(decode(repeat('00', 32), 'hex') || convert_to(replace(t.canonical, '"olga"', '"otto"')
                        || ' ', 'UTF8')) as hash, replace(t.canonical, '"olga"', '"otto"') || ' ' as text
            from told t where t.seq = 1
          union all
          select t.seq, t.canonical, c.hash, sha256(c.hash || convert_to(t.canonical, 'UTF8')), t.canonical
            from told t join chain c on t.seq = c.seq + 1
        ), written as (
          update ops.events e set canonical = c.text, prev_hash = c.prev_hash, hash = c.hash from chain c
           where e.run_id = %s and e.seq = c.seq returning e.seq, e.hash
        )
        update ops.runs r set event_head = (select w.hash from written w order by w.seq desc limit 1)
         where r.run_id = %s
        """,
        *[both.first["run_id"]] * 3,
    )
    ((step, where, text),) = await both.broken()
    last = both.server.ops.value("select event_seq from ops.runs where number = 1")
    assert (step, where) == ("events", f"event {last}")
    assert text.endswith("that the manifest names: the whole chain was written anew")


async def test_artifacts_swapped_between_two_runs_are_found_in_both(both: Proved) -> None:
    both.tamper(
        "update ops.artifacts a set sha256 = b.sha256, size = b.size, object_key = b.object_key "
        "from ops.artifacts b where a.name = b.name and a.run_id <> b.run_id"
    )
    for ref, mine, other in (("1", *both.data), ("2", *reversed(both.data))):
        digests = [hashlib.sha256(data).hexdigest() for data in (mine, other)]
        found = await both.broken(ref)
        assert [(step, where) for step, where, _ in found] == [
            ("manifest", "/artifacts/0/sha256"),
            ("manifest", "/artifacts/0/size"),
            ("artifacts", "report.html"),
        ]
        assert f'the manifest says "{digests[0]}", on record is "{digests[1]}": the row was changed' in found[0][2]


async def test_artifact_rows_given_to_each_others_run_are_found_in_both(both: Proved) -> None:
    first, second = both.artifacts
    move = "update ops.artifacts set run_id = %s, epoch = %s where artifact_id = %s"
    both.tamper(move, both.second["run_id"], 2, first)
    both.tamper(move, both.first["run_id"], 1, second)
    both.tamper(move, both.second["run_id"], 1, first)
    for ref, other in (("1", second), ("2", first)):
        places = {where: text for step, where, text in await both.broken(ref) if step == "manifest"}
        assert set(places) == {"/artifacts/0/artifact_id", "/artifacts/0/sha256", "/artifacts/0/size"}
        assert f'on record is "{other}"' in places["/artifacts/0/artifact_id"]


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ("params = '{\"size\": 1}'", "/params/size"),
        ("submitted_by = 'mallory'", "/trigger/submitted_by"),
        ("usage = '{}'", "/usage/cpu_seconds"),
    ],
)
async def test_a_run_whose_row_was_changed_names_the_member_with_both_values(
    both: Proved, change: str, where: str
) -> None:
    both.tamper(f"update ops.runs set {change} where number = 1")
    ((step, place, text),) = await both.broken()
    assert (step, place) == ("manifest", where)
    assert "on record is" in text


async def test_a_manifest_that_was_changed_is_found(both: Proved) -> None:
    both.tamper(
        "update ops.manifests set text = replace(text, '\"size\":14000}', '\"size\":14001}'), "
        "sha256 = encode(sha256(convert_to(replace(text, '\"size\":14000}', '\"size\":14001}'), 'UTF8')), 'hex') "
        "where run_id = %s",
        both.first["run_id"],
    )
    found = await both.broken()
    assert [(step, where) for step, where, _ in found] == [
        ("manifest", "root"),
        ("manifest", "/params/size"),
        ("signature", "statement/predicate/buildDefinition/externalParameters/params/size"),
    ]
    assert found[1][2] == "the manifest says 14001, on record is 14000: the row was changed"
    assert found[2][2] == "signed was 14000, the manifest makes it 14001"


async def test_a_root_a_signature_a_time_or_a_row_that_was_changed_is_found(both: Proved) -> None:
    run = both.first["run_id"]
    both.tamper("update ops.manifests set root = repeat('0', 64) where run_id = %s", run)
    assert [where for _, where, _ in await both.broken()] == ["root", "root"]
    both.tamper("update ops.manifests m set root = r.manifest_root from ops.runs r where r.run_id = m.run_id")
    assert await both.broken() == []
    both.tamper("update ops.manifests set made_at = made_at + interval '1 second' where run_id = %s", run)
    ((_, where, _),) = await both.broken()
    assert where.endswith("annotations/manifestMadeAt")
    both.tamper("update ops.manifests set made_at = made_at - interval '1 second' where run_id = %s", run)
    both.tamper(
        "update ops.manifests m set envelope = o.envelope from ops.manifests o where m.run_id = %s and o.run_id = %s",
        *(run, both.second["run_id"]),
    )
    ((step, where, _),) = await both.broken()
    assert (step, where.partition("/")[0]) == ("signature", "statement")
    both.tamper("delete from ops.manifests where run_id = %s", run)
    ((_, _, text),) = await both.broken()
    assert text.endswith("but its manifest is gone")


async def test_a_signature_of_another_key_or_none_where_one_was_in_force_is_found(both: Proved, tmp_path: Path) -> None:
    run = both.first["run_id"]
    both.tamper("update ops.manifests set envelope = null, key_id = null where run_id = %s", run)
    ((_, where, text),) = await both.broken()
    assert (where, "was in force: it was removed" in text) == ("envelope", True)
    ((_, where, text),) = await both.broken("2", trusted=["f" * 64])
    assert (where, text.endswith("is none of those that you trust")) == ("key", True)
    other = keys.public_of(keys.load(keys.ensure(tmp_path / "other.key")))
    both.tamper("update ops.signing_keys set key_id = %s, public_key = %s", keys.key_id(other), other)
    ((_, where, text),) = await both.broken("2")
    assert (where, text.endswith("is not among the known public keys")) == ("key", True)


async def test_a_key_that_is_retired_keeps_what_it_signed_before_and_nothing_after(
    both: Proved, tmp_path: Path
) -> None:
    new = keys.ensure(tmp_path / "new.key")
    await both.server.submit()
    await run_with(await Worker.start(both.server), fresh(100))
    await make_manifests(both.server, new)
    for ref in ("1", "2", "3"):
        assert await both.broken(ref) == []
    known = (await both.server.operator.get(f"{API}/signing-keys")).json()["items"]
    assert [key["retired_at"] is None for key in known] == [True, False]
    code, out, _ = await command(both.server, tmp_path, verb=("signing-keys",))
    assert (code, [key["key_id"] in out for key in known]) == (OK, [True, True])
    with pytest.raises(keys.SigningKeyError, match="was retired"):
        await make_manifests(both.server, both.key)
    both.tamper("update ops.signing_keys set retired_at = valid_from where retired_at is not null")
    ((step, where, text),) = await both.broken()
    assert (step, where, "when the key was retired" in text) == ("signature", "made_at", True)


async def test_without_a_key_a_manifest_says_that_nobody_signed_it(server: Server, tmp_path: Path) -> None:
    await server.template()
    await server.submit()
    await run_with(await Worker.start(server), fresh(100))
    await make_manifests(server, None)
    code, out, _ = await command(server, tmp_path, "1", verb=VERIFY)
    assert (code, "unknown signature" in " ".join(out.split())) == (OK, True)
    assert "nobody signed it; it was made where no key was configured" in out


async def test_a_run_without_a_manifest_and_one_that_is_not_there_are_told(server: Server, tmp_path: Path) -> None:
    await server.template()
    await server.submit()
    code, out, _ = await command(server, tmp_path, "1", verb=VERIFY)
    assert (code, "the run is queued; a manifest is made when it has ended" in out) == (OK, True)
    code, _, err = await command(server, tmp_path, "7", verb=VERIFY)
    assert (code, "there is no run 7" in err) == (REFUSED, True)


async def test_a_pipeline_is_verified_with_its_tasks_and_names_the_one_that_was_changed(
    server: Server, tmp_path: Path
) -> None:
    key = keys.ensure(tmp_path / "signing.key")
    await server.template()
    tasks: Any = {"a": {"template": "job"}, "b": {"template": "job", "depends_on": ["a"]}}
    answer = await server.operator.put(
        f"{API}/templates/flow", json={"name": "flow", "kind": "pipeline", "tasks": tasks}
    )
    assert answer.status_code == 200, answer.text
    pipeline = await server.submit("flow")
    worker = await Worker.start(server)
    for _ in tasks:
        await run_with(worker, fresh(100))
    await make_manifests(server, key)
    await make_manifests(server, key)
    found = Proved(server, tmp_path, pipeline, {}, [], [])
    every = await found.verified(str(pipeline["number"]))
    assert {finding.run for finding in every} == {"1", "2", "3"}
    assert all(finding.ok for finding in every)
    found.tamper("update ops.manifests set root = repeat('0', 64) where run_id in (select run_id from ops.runs "
                 "where task_key = 'b')")  # fmt: skip
    broken = await found.broken(str(pipeline["number"]))
    assert ("task b", True) in [(where, "the task's manifest was changed" in text) for _, where, text in broken]


async def test_a_report_that_comes_later_is_an_event_and_breaks_nothing(server: Server, tmp_path: Path) -> None:
    await server.template()
    await server.submit()
    worker = await Worker.start(server)
    await worker.claim()
    await worker.succeed(idempotency_key="first")
    await make_manifests(server, None)
    assert (await worker.succeed(idempotency_key="first", result={"rows": 2}))["repeated"] is True
    assert server.ops.value("select type from ops.events order by seq desc limit 1") == "report.differs"
    found = Proved(server, tmp_path, worker.run, {}, [], [])
    assert await found.broken() == []


async def test_a_manifest_that_somebody_had_made_anew_tells_that_it_is_late(both: Proved) -> None:
    run = both.first["run_id"]
    both.tamper("update ops.runs set params = '{\"size\": 1}', manifest_root = null where run_id = %s", run)
    both.tamper("delete from ops.manifests where run_id = %s", run)
    both.server.ops.move_clock(7200)
    await make_manifests(both.server, both.key)
    (late,) = [found for found in await both.verified() if not found.ok]
    assert (late.ok, late.where) == (None, "made_at")
    assert late.text.startswith("it was made 2:00:0")
