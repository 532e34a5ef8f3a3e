"""Engines for a stack that runs: which wishes are more of them, how the others are answered, word between processes."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from control_room.errors import FAILED, REFUSED, ControlRoomError
from control_room.local import growth, state
from control_room.local.folder import StackFolder
from control_room.local.processes import Identity
from control_room.local.state import ServiceRecord, StackState
from tests.support.stack import wait_until

TRINO = {"trino": "2G"}


@pytest.fixture
def folder(tmp_path: Path) -> StackFolder:
    folder = StackFolder.at(tmp_path / "stack")
    folder.ensure()
    return folder


@pytest.mark.parametrize(
    ("running", "wanted", "grows"),
    [
        ({}, TRINO, True),
        (TRINO, {"spark": "1G", "trino": "2G"}, True),
        (TRINO, TRINO, False),
        (TRINO, {}, False),
        (TRINO, {"spark": "1G"}, False),
        (TRINO, {"trino": "1G", "spark": "1G"}, False),
    ],
    ids=["the first", "a second", "the same", "none", "another", "another heap"],
)
def test_a_stack_grows_by_engines_beside_those_that_run(
    running: dict[str, str], wanted: dict[str, str], grows: bool
) -> None:
    assert growth.is_growth(StackState(engines=running), wanted) is grows


def test_what_to_write_names_those_that_run_with_their_heaps() -> None:
    found = growth.instead(StackState(engines=TRINO), {"spark": "1G"})
    assert found == "`control-room up --with spark,trino=2G`"
    assert growth.instead(StackState(engines=TRINO), {}) == growth.instead(StackState(engines=TRINO), TRINO) == ""


def asked(folder: StackFolder) -> tuple[threading.Thread, list[object], list[dict[str, object]]]:
    """`up` at its work, what it answered, and what it told meanwhile."""
    answers: list[object] = []
    told: list[dict[str, object]] = []

    def ask() -> None:
        try:
            answers.append(growth.ask(folder, TRINO, told.append))
        except ControlRoomError as error:
            answers.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    wait_until(lambda: growth.requested(folder.engines_request) == TRINO, seconds=10, what="the request")
    return thread, answers, told


def test_a_refusal_of_the_supervisor_reaches_whoever_asked(folder: StackFolder) -> None:
    thread, answers, _ = asked(folder)
    refused = ControlRoomError(
        "trino cannot be started here", where="/there", next_step="install it", exit_code=REFUSED
    )
    growth.refuse(folder.engines_request, refused)
    thread.join(10)
    [error] = answers
    assert isinstance(error, ControlRoomError)
    assert (error.what, error.where, error.next_step, error.exit_code) == (
        "trino cannot be started here", "/there", "install it", REFUSED
    )  # fmt: skip
    assert not folder.engines_request.exists()


def test_a_supervisor_that_does_not_answer_is_told_and_nothing_stays_asked_for(
    folder: StackFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(growth, "ANSWER_SECONDS", 0.3)
    thread, answers, _ = asked(folder)
    thread.join(10)
    [error] = answers
    assert isinstance(error, ControlRoomError)
    assert (error.exit_code, folder.engines_request.exists()) == (REFUSED, False)
    assert "control-room down" in error.next_step


@pytest.mark.parametrize("comes_up", [True, False], ids=["ready", "does not come up"])
def test_services_are_awaited_and_told_until_one_does_not_come_up(folder: StackFolder, comes_up: bool) -> None:
    thread, answers, told = asked(folder)
    own = Identity.of(os.getpid())
    assert own is not None
    supervisor = {"pid": own.pid, "create_time": own.create_time}
    good = ServiceRecord("trino", state="ready", pid=7, ready_seconds=2.0)
    bad = ServiceRecord("trino", state="backoff", restarts=3, last_error="no Java")
    services = {"postgres": ServiceRecord("postgres", state="ready"), "trino": good if comes_up else bad}
    phase = "ready" if comes_up else "degraded"
    state.save(folder, StackState(phase=phase, supervisor=supervisor, engines=TRINO, services=services))
    folder.engines_request.unlink()
    thread.join(10)
    [found] = answers
    assert isinstance(found, StackState)
    assert (found.phase, found.engines) == (phase, TRINO)
    if comes_up:
        assert {"event": "service", "name": "trino", "state": "ready", "seconds": 2.0} in told
    else:
        assert told[-1] == {"event": "phase", "phase": "degraded", "errors": {"trino": "no Java"}}


def test_a_stack_that_is_stopped_meanwhile_is_told(folder: StackFolder) -> None:
    thread, answers, _ = asked(folder)
    state.save(folder, StackState(phase="stopped"))
    folder.engines_request.unlink()
    thread.join(10)
    [error] = answers
    assert isinstance(error, ControlRoomError)
    assert error.exit_code == FAILED
    assert "was stopped" in error.what


def test_what_is_no_request_asks_for_nothing(folder: StackFolder) -> None:
    for text in ("", "{", "{}", '{"refused": {}}'):
        folder.engines_request.write_text(text)
        assert growth.requested(folder.engines_request) is None
