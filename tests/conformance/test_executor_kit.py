"""The executor kit: ours and the sample pass it, and each way to break the sample is caught by the case for it."""

from __future__ import annotations

from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from contract.conformance import executor_kit
from contract.conformance.room import Room
from contract.conformance.wire import Wire
from tests.conformance.broken_executors import FAULTS, MORE, NAMED
from tests.conformance.subjects import OURS, SAMPLE, broken, failures, judge, node

EVERY = [case.id for case in executor_kit.CASES]
QUICK = ("register", "run", "failure", "logs", "artifact", "claim-lost", "report-lost", "upload-lost", "claimed-twice")
QUICK += ("older-server", "no-common-version")


def test_our_python_executor_passes_the_quick_cases() -> None:
    assert failures(judge(OURS, *QUICK)) == {}


def test_the_sample_passes_the_quick_cases() -> None:
    assert failures(judge(node(SAMPLE), *QUICK)) == {}


@pytest.mark.slow
@pytest.mark.parametrize("case", [id_ for id_ in EVERY if id_ not in QUICK])
@pytest.mark.parametrize("command", [pytest.param(OURS, id="ours"), pytest.param(node(SAMPLE), id="sample")])
def test_every_other_case_is_passed_too(command: tuple[str, ...], case: str) -> None:
    assert failures(judge(command, case)) == {}


@pytest.mark.parametrize("fault", NAMED)
def test_a_broken_executor_is_caught_by_the_case_for_it(fault: str, tmp_path: Path) -> None:
    is_caught(fault, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("fault", MORE)
def test_subtler_faults_are_caught_too(fault: str, tmp_path: Path) -> None:
    is_caught(fault, tmp_path)


def is_caught(name: str, folder: Path) -> None:
    """By the case for it, and for what is broken: a script that does not start at all proves nothing."""
    fault = FAULTS[name]
    result = judge(broken(name, folder), fault.case)[fault.case]
    assert result.verdict == "fail"
    assert fault.says in result.detail.partition("\nthe executor wrote")[0]


def test_every_case_has_a_broken_executor_to_catch() -> None:
    assert {fault.case for fault in FAULTS.values()} == set(EVERY)
    assert len(FAULTS) == len(NAMED) + len(MORE)  # no name hides another
    assert all(fault.says and fault.edits for fault in FAULTS.values())


@pytest.mark.parametrize("waits", [True, False])
def test_the_kit_knows_whether_somebody_still_waited_for_an_answer(waits: bool) -> None:
    room = Room("secret")
    with Wire(room), closing(HTTPConnection("127.0.0.1", urlsplit(room.url).port, timeout=20)) as executor:
        late = room.break_("heartbeat", "stall", seconds=20)
        executor.request("POST", f"/executor/v1/executors/{uuid4()}/heartbeat", b"{}")
        room.wait("the heartbeat", lambda: late.hit, 20)
        if not waits:
            executor.close()
        room.release(late)
        call = room.wait("its answer", lambda: next((c for c in room.of("heartbeat") if c.ended), None), 20)
        assert call.heard is waits


def test_the_sample_stays_short_enough_to_read() -> None:
    assert len(SAMPLE.read_text("utf-8").splitlines()) <= 150


def test_an_executor_that_does_not_start_fails_with_what_it_wrote() -> None:
    result = judge(("sh", "-c", "echo no such luck; exit 3"), "register")["register"]
    assert result.verdict == "fail"
    assert "exit code 3" in result.detail
    assert "no such luck" in result.detail


def test_an_unknown_case_is_named() -> None:
    with pytest.raises(ValueError, match="there is no case nope"):
        judge(OURS, "nope")
