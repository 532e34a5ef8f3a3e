"""The runtime at servers that are older or newer than itself; the conformance kit plays them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from contract.conformance.editions import FOREIGN, NEWER
from contract.conformance.trial import Options, Trial, trial
from tests.conformance.subjects import OURS

END_SECONDS = 20.0


@pytest.fixture
def ours() -> Iterator[Trial]:
    """Our python executor, not yet started, and the server that it will meet."""
    with trial(Options(OURS)) as found:
        yield found


def journal(found: Trial, action: str) -> list[dict[str, Any]]:
    """What the executor wrote of this action."""
    lines = found.subject.log.read_text("utf-8").splitlines()
    return [line for line in map(json.loads, (one for one in lines if one.startswith("{"))) if line["action"] == action]


def written(found: Trial) -> str:
    return found.subject.log.read_text("utf-8")


def test_of_what_is_deprecated_it_tells_once_however_often_it_hears_of_it(ours: Trial) -> None:
    ours.room.edition, ours.room.heartbeat_seconds = NEWER, 0.5
    first = ours.room.submit(lines=3, sleep_seconds=3.0)
    ours.start()
    ours.reports(first)
    ours.does(lines=1)
    assert len(ours.room.beats(first)) > 2
    told = [line["operation"] for line in journal(ours, "contract.deprecated")]
    assert len(told) == len(set(told))
    assert {"registerExecutor", "claimRuns", "heartbeat", "appendLogs", "reportAttempt"} <= set(told)
    (line,) = [line for line in journal(ours, "contract.deprecated") if line["operation"] == "heartbeat"]
    assert line["level"] == "warning"
    assert line["message"].startswith("deprecated since 2026-01-01, may stop to work on 2126-01-01; what to do: ")
    (line,) = journal(ours, "executor.registered")
    assert line["contract_version"] == "1.1"


def test_without_a_version_in_common_it_ends_and_says_who_speaks_what(ours: Trial) -> None:
    ours.room.edition = FOREIGN
    ours.subject.start()
    assert ours.subject.exit_code(END_SECONDS) == 2
    (line,) = journal(ours, "executor.refused")
    assert line["message"].startswith(
        "contract_version_unsupported: the kit's server speaks contract 98.0, 99.0; the executor asked for 1.0 to 1.1"
    )
    assert "Traceback" not in written(ours)


def test_a_server_that_is_replaced_by_a_foreign_one_gets_the_report_of_what_runs_and_no_more_claims(
    ours: Trial,
) -> None:
    run = ours.room.submit(lines=1, sleep_seconds=3.0)
    ours.start()
    ours.works(run)
    with ours.room.changing():
        ours.room.edition = FOREIGN
        ours.room.executors.clear()
    ours.reports(run)
    ours.subject.exit_code(END_SECONDS)
    assert not ours.subject.running
    assert journal(ours, "executor.refused")
    assert "Traceback" not in written(ours)
