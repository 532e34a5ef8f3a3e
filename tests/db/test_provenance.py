"""Manifests in the database: they say what is on record, of ended runs alone, and nobody changes them."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contract.canonical import canonical_json
from control_room.provenance import keys
from control_room.provenance.manifest import made
from tests.db.test_core_plans import explained, walked
from tests.support.core import Json, Queue, Worker, publication, refused

OUTPUTS = [{"name": "flights", "format": "iceberg", "mode": "overwrite", "path": "bronze/flights"}]
SNAPSHOT = 6_123_456_789_012_345_678


def pending(queue: Queue, *skip: str) -> list[str]:
    found: list[str] = queue.ops.call("without_manifest", 10, list(skip))["run_ids"]
    return found


def parts(queue: Queue, run: Json) -> Any:
    return queue.ops.call("manifest_parts", run["run_id"])


def now(queue: Queue) -> str:
    found: str = queue.ops.call("without_manifest", 1, [])["now"]
    return found


def put(queue: Queue, run: Json, body: Json) -> Json:
    told: Json = queue.ops.call("put_manifest", run["run_id"], body)
    return told


def make(queue: Queue, run: Json, key: Ed25519PrivateKey | None = None) -> Json:
    """Make and put the manifest of a run; answers what was sent."""
    if key:
        queue.ops.call("put_signing_key", keys.public_of(key).hex())
    body = made(parts(queue, run), now(queue), key)
    assert put(queue, run, body) == {"run_id": run["run_id"], "sha256": body["sha256"], "root": body["root"]}
    return body


def finished(queue: Queue, **report: Any) -> Json:
    """A run that has ended, with an artifact and one that no report made visible."""
    queue.submit(params={"day": 1}, labels={"team": "grid"})
    worker = Worker(queue, capabilities={"python": "3.11.9"})
    run = worker.claim_one()
    worker.artifact(run)
    worker.artifact(run, "never", "c" * 64, record=False)
    worker.report(run, **report)
    return run


def test_a_manifest_says_what_a_run_read_ran_and_wrote(queue: Queue) -> None:
    queue.template()
    run = finished(queue, usage={"cpu_seconds": 1.5}, result={"rows": 3})
    found = parts(queue, run)
    template = queue.ops.call("get_template", queue.operator, "job", None, None)
    assert found["schema"] == "control-room/manifest/1"
    assert found["run"]["template"] == {"name": "job", "version": 1, "digest": template["digest"]}
    assert (found["run"]["run_id"], found["run"]["labels"]) == (run["run_id"], {"team": "grid"})
    assert found["params"] == {"day": 1}
    assert [a["name"] for a in found["artifacts"]] == ["report.html"]
    assert found["artifacts"][0]["sha256"] == "a" * 64
    assert [e["capabilities"] for e in found["environment"]] == [{"python": "3.11.9"}]
    assert [(a["epoch"], a["outcome"], a["usage"]) for a in found["attempts"]] == [
        (1, "succeeded", {"cpu_seconds": 1.5})
    ]
    assert found["trigger"]["submitted_by"] == "olga"
    assert (found["outcome"]["state"], found["outcome"]["result"]) == ("succeeded", {"rows": 3})
    head = queue.ops.value("select encode(event_head, 'hex') from ops.runs where run_id = %s", run["run_id"])
    assert found["events"] == {"length": len(queue.event_types(run)), "head": head}
    assert canonical_json(found) == canonical_json(json.loads(canonical_json(found)))


def test_numbers_that_not_every_reader_keeps_are_text(queue: Queue) -> None:
    queue.template(outputs=OUTPUTS)
    queue.submit(params={"share": 0.30000000000000004, "big": 9_007_199_254_740_991})
    worker = Worker(queue, capabilities={"publish": ["iceberg"]})
    run = worker.claim_one()
    worker.report(run, publications=[publication(run)])
    worker.commit(run, "flights", SNAPSHOT, location="s3://lakehouse/x")
    found = parts(queue, run)
    assert found["publications"][0]["table_version"] == str(SNAPSHOT)
    assert found["params"] == {"share": 0.30000000000000004, "big": 9_007_199_254_740_991}
    assert found["publications"][0]["files"] == [{"path": "part-0.parquet", "size": 10, "sha256": "b" * 64, "rows": 3}]
    make(queue, run)
    for given, kept in [
        ('{"a": [12345678901234567890, 1.5]}', {"a": ["12345678901234567890", 1.5]}),
        ("0.1000000000000000055511151231257827", "0.1000000000000000055511151231257827"),
        ("123456789.12345679", 123456789.12345679),
        ("1e400", "1" + "0" * 400),
        ('"1234567890123456789"', "1234567890123456789"),
    ]:
        assert queue.ops.value("select ops.interoperable(%s::jsonb)", given) == kept


def test_a_run_that_has_not_ended_has_no_manifest(queue: Queue) -> None:
    queue.template()
    run = queue.submit()
    assert parts(queue, run) is None
    assert pending(queue) == []
    with refused("OPC05"):
        put(queue, run, {"text": "null", "root": "0" * 64, "made_at": now(queue)})
    with refused("OPN01"):
        queue.ops.call("manifest_parts", "01a1fec1-66b9-736c-bfca-ebc5f17f8cd5")


@pytest.mark.parametrize("how", ["succeeded", "failed", "capped", "cancelled before it began", "expired for good"])
def test_every_run_that_has_ended_gets_one(queue: Queue, how: str) -> None:
    queue.template(retry={"max_attempts": 1})
    run = queue.submit()
    if how == "cancelled before it began":
        queue.cancel(run)
    elif how == "expired for good":
        Worker(queue).claim_one()
        queue.expire()
    else:
        worker = Worker(queue)
        worker.report(worker.claim_one(), how)
    assert pending(queue) == [run["run_id"]]
    body = make(queue, run)
    assert pending(queue) == []
    assert queue.ops.value("select manifest_root from ops.runs where run_id = %s", run["run_id"]) == body["root"]


def test_only_what_is_on_record_is_taken_and_the_first_stays(queue: Queue) -> None:
    queue.template()
    run = finished(queue)
    told = parts(queue, run)
    forged = told | {"params": {"day": 2}}
    with refused("OPC05") as refusal:
        put(queue, run, made(forged, now(queue), None))
    assert "does not say what is on record" in refusal.message
    with refused("OPC05"):
        put(queue, run, made(told, "2020-01-01T00:00:00Z", None))
    with refused("OPC05") as refusal:
        put(queue, run, made(told, now(queue), Ed25519PrivateKey.generate()))
    assert "is not in force" in refusal.message
    first = make(queue, run)
    again = put(queue, run, made(told, now(queue), None) | {"root": "1" * 64})
    assert again["root"] == first["root"]
    found = queue.ops.call("get_manifest", queue.operator, run["run_id"])
    assert (found["manifest"]["text"], found["on_record"]) == (first["text"], told)


def test_nobody_changes_a_manifest_or_a_key(queue: Queue) -> None:
    queue.template()
    run = finished(queue)
    make(queue, run, Ed25519PrivateKey.generate())
    for statement in (
        "update ops.manifests set root = repeat('0', 64)",
        "delete from ops.manifests",
        "truncate ops.manifests",
        "update ops.runs set manifest_root = null",
        "update ops.signing_keys set valid_from = '2020-01-01'",
        "delete from ops.signing_keys",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            queue.ops.admin.execute(statement)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            queue.ops.server.execute(statement)
    queue.ops.admin.execute("update ops.signing_keys set retired_at = ops.now()")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        queue.ops.admin.execute("update ops.signing_keys set retired_at = null")


def test_a_new_key_retires_the_one_before_for_good(queue: Queue) -> None:
    queue.template()
    first, second = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    old = queue.ops.call("put_signing_key", keys.public_of(first).hex())
    assert old == {"key_id": keys.key_id(keys.public_of(first)), "retired_at": None}
    assert queue.ops.call("put_signing_key", keys.public_of(first).hex()) == old
    new = queue.ops.call("put_signing_key", keys.public_of(second).hex())
    assert new["retired_at"] is None
    assert queue.ops.call("put_signing_key", keys.public_of(first).hex())["retired_at"] is not None
    items = queue.ops.call("list_signing_keys", queue.operator)["items"]
    assert [(i["key_id"], i["retired_at"] is None) for i in items] == [(new["key_id"], True), (old["key_id"], False)]
    run = finished(queue)
    with refused("OPC05"):
        put(queue, run, made(parts(queue, run), now(queue), first))
    make(queue, run, second)


def test_a_pipeline_names_the_manifests_of_its_tasks_and_waits_for_them(queue: Queue) -> None:
    queue.template()
    queue.template("flow", kind="pipeline", tasks={"one": {"template": "job"}, "two": {"template": "job"}})
    pipeline = queue.submit("flow")
    worker = Worker(queue)
    for run in worker.claim(2):
        worker.report(run)
    children = [queue.child(pipeline, key) for key in ("one", "two")]
    assert set(pending(queue)) == {child["run_id"] for child in children}
    assert pending(queue, *(child["run_id"] for child in children)) == []
    roots = [make(queue, child)["root"] for child in children]
    assert pending(queue) == [pipeline["run_id"]]
    tasks = parts(queue, pipeline)["tasks"]
    assert {task["task_key"]: task["manifest_root"] for task in tasks} == dict(zip(("one", "two"), roots, strict=True))
    make(queue, pipeline)


def test_what_comes_to_the_chain_afterwards_leaves_the_rest_as_it_was(queue: Queue) -> None:
    queue.template(retry={"max_attempts": 1})
    queue.submit()
    worker = Worker(queue)
    run = worker.claim_one()
    queue.expire()
    before = parts(queue, run)
    make(queue, run)
    with refused("OPC01"):
        worker.report(run)
    after = parts(queue, run)
    assert {name for name in before if before[name] != after[name]} <= {"events"}


HISTORY = """
    insert into ops.runs overriding user value
    select (jsonb_populate_record(r, jsonb_build_object('run_id', gen_random_uuid(), 'manifest_root', 'f'))).*
      from ops.runs r, generate_series(1, 5000)
"""


@pytest.mark.parametrize("statistics", ["before", "after"])
def test_which_runs_lack_one_is_found_by_an_index_of_those_alone(queue: Queue, statistics: str) -> None:
    queue.template()
    make(queue, finished(queue))
    queue.ops.admin.execute("vacuum (analyze) ops.runs")
    queue.ops.admin.execute("set session_replication_role = replica")
    queue.ops.admin.execute(HISTORY)
    run = finished(queue)
    if statistics == "after":
        queue.ops.admin.execute("vacuum (analyze) ops.runs")
    plans = explained(queue.ops.server)
    assert pending(queue) == [run["run_id"]]
    read = [node for plan in plans for node in walked(plan["Plan"]) if node.get("Relation Name") == "runs"]
    assert {node.get("Index Name") for node in read} <= {"runs_without_manifest", "runs_children"}
    rows = [node["Actual Rows"] * node["Actual Loops"] + node.get("Rows Removed by Filter", 0) for node in read]
    assert sum(rows) <= 1


def test_the_chain_is_given_as_it_is_stored(queue: Queue) -> None:
    queue.template()
    run = finished(queue)
    chain = queue.ops.call("run_chain", queue.operator, run["run_id"], {})
    assert [item["type"] for item in chain["items"]] == queue.event_types(run)
    assert chain["head"] == {"seq": len(chain["items"]), "hash": chain["items"][-1]["hash"]}
    assert chain["cut"] is None
    page = queue.ops.call("run_chain", queue.operator, run["run_id"], {"after_seq": 1, "limit": 1})
    assert page["items"] == chain["items"][1:2]
