"""The server kit against this project's server, and against one that gets something wrong."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from contract.conformance import server_kit
from contract.conformance.desk import Server
from contract.conformance.verdict import Result
from tests.conformance import broken_publications, broken_servers
from tests.conformance.defects import Defect, Defective
from tests.contract.operator.conftest import EXECUTOR, OPERATOR, bootstrap, serving
from tests.support.ops import Ops
from tests.support.postgres import Database, pg18, stop_clusters_at_the_end
from tests.support.seaweed import Seaweed, object_store, own_object_store

FAULTS = broken_servers.FAULTS | broken_publications.FAULTS
__all__ = ["object_store", "own_object_store", "pg18", "stop_clusters_at_the_end"]


async def judge(
    database: Database, store: Seaweed, folder: Path, *ids: str, defect: Defect | None = None, operator: bool = True
) -> dict[str, Result]:
    ops = Ops(database)
    bootstrap(ops)
    ops.close()
    async with serving(database, store, folder, reactor=True) as server:
        subject = Server(server.url, EXECUTOR, OPERATOR if operator else None)
        transport = Defective(defect) if defect else None
        results = await asyncio.to_thread(lambda: list(server_kit.run(subject, ids, transport=transport)))
    return {result.id: result for result in results}


def failures(results: dict[str, Result]) -> dict[str, str]:
    return {id_: result.detail for id_, result in results.items() if result.verdict == "fail"}


@pytest.mark.slow
async def test_our_server_passes_every_case_and_skips_none(
    pg18: Database, object_store: Seaweed, tmp_path: Path
) -> None:
    results = await judge(pg18, object_store, tmp_path)
    assert failures(results) == {}
    assert {result.verdict for result in results.values()} == {"pass"}
    assert len(results) == len(server_kit.CASES)


async def test_our_server_passes_the_quick_cases_too(pg18: Database, object_store: Seaweed, tmp_path: Path) -> None:
    quick = ("document", "versions", "claim-repeat", "stale-epoch", "retried-epoch", "report-conflict")
    quick += ("exchange-stale", "publication", "publication-formats", "publication-wrong", "publication-capable")
    results = await judge(pg18, object_store, tmp_path, *quick)
    assert {id_: result.verdict for id_, result in results.items()} == dict.fromkeys(quick, "pass")


def left_behind(database: Database) -> dict[str, int]:
    """What of the kit still asks for somebody, and what claims look at an hour later."""
    ops = Ops(database)
    queues = {row[0] for row in ops.admin.execute("select distinct queue from ops.runs").fetchall()}
    assert all(name.startswith("conformance-") for name in queues), queues
    for elapsed in (20, 4000):
        ops.move_clock(elapsed)
        ops.call("expire_leases", 100)
    found = {
        "runs": ops.value("select count(*) from ops.runs where state in ('waiting', 'queued', 'running')"),
        "dead letters": ops.value("select count(*) from ops.dead_letters"),
        "executors": ops.value("select count(*) from ops.executors where left_at is null"),
        "queues": ops.value("select count(*) from ops.queue_floors"),
    }
    ops.close()
    return found


async def test_the_kit_leaves_no_dead_letter_no_run_and_after_an_hour_no_queue(
    pg18: Database, object_store: Seaweed, tmp_path: Path
) -> None:
    some = ("outcomes", "report-key", "publication-formats", "publication-capable", "exchange-claims", "stale-epoch")
    results = await judge(pg18, object_store, tmp_path, *some)
    assert {id_: result.verdict for id_, result in results.items()} == dict.fromkeys(some, "pass")
    assert left_behind(pg18) == {"runs": 0, "dead letters": 0, "executors": 0, "queues": 0}


async def test_the_kit_leaves_nothing_behind_after_a_case_that_failed_either(
    pg18: Database, object_store: Seaweed, tmp_path: Path
) -> None:
    fault = FAULTS["publication-capable: asks for no capability"]
    results = await judge(pg18, object_store, tmp_path, fault.case, defect=fault.make())
    assert results[fault.case].verdict == "fail"
    assert left_behind(pg18) == {"runs": 0, "dead letters": 0, "executors": 0, "queues": 0}


async def test_without_a_way_to_get_runs_cases_are_skipped_with_the_reason(
    pg18: Database, object_store: Seaweed, tmp_path: Path
) -> None:
    results = await judge(pg18, object_store, tmp_path, "register-twice", "report-repeat", operator=False)
    assert results["register-twice"].verdict == "pass"
    assert results["report-repeat"].verdict == "skip"
    assert "--operator-token-file" in results["report-repeat"].detail


async def is_caught(name: str, database: Database, store: Seaweed, folder: Path) -> None:
    """By the case for it, and for what is broken: an answer that merely looks odd proves nothing."""
    fault = FAULTS[name]
    results = await judge(database, store, folder, fault.case, defect=fault.make())
    assert results[fault.case].verdict == "fail"
    assert fault.says in results[fault.case].detail


@pytest.mark.parametrize("fault", [name for name, fault in FAULTS.items() if not fault.slow])
async def test_a_server_with_a_defect_fails_the_case_for_it(
    pg18: Database, object_store: Seaweed, tmp_path: Path, fault: str
) -> None:
    await is_caught(fault, pg18, object_store, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("fault", [name for name, fault in FAULTS.items() if fault.slow])
async def test_a_server_with_another_defect_fails_the_case_for_it(
    pg18: Database, object_store: Seaweed, tmp_path: Path, fault: str
) -> None:
    await is_caught(fault, pg18, object_store, tmp_path)


def test_every_case_has_a_broken_server_to_catch() -> None:
    assert {fault.case for fault in FAULTS.values()} == {case.id for case in server_kit.CASES}
    assert all(fault.says for fault in FAULTS.values())
