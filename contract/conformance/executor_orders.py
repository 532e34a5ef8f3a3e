"""Cases of the executor kit: directives, signals, and what an executor does about them."""

import signal
import time

from contract.conformance.room import UNTIL_HEALED, Call, Run
from contract.conformance.trial import Trial
from contract.conformance.verdict import Register, Skipped, require

CASES: Register[Trial] = Register()
LONG = 120.0  # seconds: work that nobody waits for
SLACK_SECONDS = 3.0
EXIT_SECONDS = 30.0
QUIET_SECONDS = 2.0


@CASES.case(
    "cancel",
    "obeys a cancellation within its grace",
    "A run whose directive is `cancel` is stopped, and reported as cancelled within grace_seconds (and 3 s more).",
)
def cancel(trial: Trial) -> str:
    trial.start()
    cancelled = trial.room.submit(lease_seconds=6.0, sleep_seconds=LONG)
    trial.works(cancelled)
    with trial.room.changing():
        cancelled.extra = {"grace_seconds": 4.0, "reason": "the conformance kit asks"}
        cancelled.directive = "cancel"
        asked = time.monotonic()
    trial.room.wait("a heartbeat to tell of the cancellation", lambda: told(trial, cancelled, asked), 6.0)
    heard = time.monotonic()
    trial.reports(cancelled, "cancelled", 4.0 + SLACK_SECONDS)
    trial.does(lines=1)
    return f"reported {time.monotonic() - heard:.1f} s after it was told"


def told(trial: Trial, run: Run, since: float) -> float | None:
    """When a heartbeat that came since then was answered about the run."""
    return next((call.ended for call in trial.room.beats(run) if call.at >= since and call.ended), None)


@CASES.case(
    "superseded",
    "stops work that another epoch holds, and says nothing more of it",
    "After the directive `superseded` the work ends, neither report nor artifact of that epoch follows, and the "
    "executor goes on claiming.",
)
def superseded(trial: Trial) -> str:
    trial.start()
    lost = trial.room.submit(lease_seconds=6.0, sleep_seconds=LONG)
    trial.works(lost)
    with trial.room.changing():
        lost.directive, lost.refuse = "superseded", "superseded"
        asked = time.monotonic()
    trial.room.wait("a request to be told of it", lambda: told(trial, lost, asked) or refused(trial, lost, asked), 6.0)
    heard = time.monotonic()
    trial.does(lines=1, seconds=15.0)
    silent(trial, lost, heard)
    return f"free for the next run within {time.monotonic() - heard:.1f} s"


def refused(trial: Trial, run: Run, since: float) -> bool:
    """Whether a request about the run was refused since then, as lease_lost."""
    calls = list(trial.room.calls)
    return any(call.status == 409 and call.at >= since and call.about(run) for call in calls)


def silent(trial: Trial, run: Run, since: float) -> None:
    """Nothing but stray logs may come of the run: no report at all, no request once it had time to stop."""
    trial.room.listen(since + SLACK_SECONDS + QUIET_SECONDS - time.monotonic())
    sent = [at for at, _ in trial.room.report_bodies(run) if at >= since]
    require(not sent, f"run {run.number} was reported, though the executor was told before that its epoch is stale")
    late = [
        call
        for operation in ("appendLogs", "beginArtifact", "recordArtifact")
        for call in trial.room.of(operation, run, since + SLACK_SECONDS)
    ]
    require(not late, f"work on run {run.number} went on: {len(late)} requests later than {SLACK_SECONDS:g} s")


@CASES.case(
    "already-terminal",
    "ignores already_terminal",
    "A run whose report got no answer yet is renewed, and its heartbeat answers `already_terminal`: nothing else is "
    "reported (the report is sent again, or taken as accepted), and the executor goes on claiming. When the answer "
    "comes so late that the next run is at work, that one is not killed either.",
)
def already_terminal(trial: Trial) -> str:
    trial.start()
    done = told_while_reporting(trial)
    told_late(trial)
    sent = len(trial.room.report_bodies(done))
    return f"the report without an answer came {sent} times; what was told late killed nothing"


def told_while_reporting(trial: Trial) -> Run:
    """A run whose report is accepted, but not answered before a heartbeat has told of it."""
    room = trial.room
    done = room.submit(lease_seconds=3.0, lines=1)
    room.break_("report", "lose", times=UNTIL_HEALED)
    trial.reports(done)
    what = f"a heartbeat that names run {done.number}, whose report got no answer, to be told already_terminal"
    trial.wait(what, lambda: room.told("already_terminal", done), trial.options.patience_seconds)
    room.heal()
    trial.does(lines=1, seconds=30.0)
    return done


def told_late(trial: Trial) -> None:
    """A heartbeat names a run that is being reported; its answer comes when the next run is at work already."""
    room, patience = trial.room, trial.options.patience_seconds
    report = room.break_("report", "stall", UNTIL_HEALED, LONG)
    beat = room.break_("heartbeat", "stall", 0, LONG)
    former = room.submit(lease_seconds=3.0, lines=1)
    trial.wait("a report", lambda: room.of("report", former), patience)
    with room.changing():
        beat.times = 1
    trial.wait("a heartbeat while the report is on its way", lambda: beat.hit, patience)
    room.release(report)
    current = room.submit(sleep_seconds=3.0)
    trial.works(current)
    room.release(beat)
    late = trial.wait("the late answer", lambda: stalled(room.told("already_terminal", former)), patience)
    trial.reports(current)
    if not late.heard:
        raise Skipped(
            f"a heartbeat was given up within {late.ended - late.at:.1f} s: what a late answer does is not seen"
        )


def stalled(calls: list[Call]) -> Call | None:
    return next((call for call in calls if call.fault == "stall"), None)


@CASES.case(
    "drain",
    "obeys the directive to drain",
    "After the directive `drain` no new claim is made; what runs is finished and reported; then the executor leaves "
    "and ends with exit code 0.",
)
def drain(trial: Trial) -> str:
    room = trial.room
    trial.start()
    last = room.submit(lease_seconds=6.0, sleep_seconds=5.0)
    trial.works(last)
    with room.changing():
        room.draining.update(room.executors)
        asked = time.monotonic()
    heard = room.wait("a heartbeat to tell of it", lambda: told(trial, last, asked), 6.0)
    return drained(trial, last, heard)


@CASES.case(
    "sigterm",
    "drains on SIGTERM",
    "After SIGTERM no new claim is made; what runs (5 s here) is finished and reported; then the executor leaves and "
    "ends with exit code 0.",
)
def sigterm(trial: Trial) -> str:
    trial.start()
    last = trial.room.submit(lease_seconds=6.0, sleep_seconds=5.0)
    trial.works(last)
    asked = time.monotonic()
    trial.subject.signal(signal.SIGTERM)
    return drained(trial, last, asked)


def drained(trial: Trial, last: Run, since: float) -> str:
    """The run is reported, the executor leaves and ends, and no wish of its own came after `since`."""
    room = trial.room
    trial.reports(last)
    code = trial.subject.exit_code(EXIT_SECONDS)
    require(code == 0, "the executor still runs" if code is None else f"the executor ended with exit code {code}")
    require(room.left >= set(room.executors), "the executor ended without leaveExecutor")
    before = {call.body.get("request_id") for call in room.of("claim") if call.at < since + 1.0}
    late = [call for call in room.of("claim", since=since + 1.0) if call.body.get("request_id") not in before]
    require(not late, "a new claim was made after the order to drain")
    return f"gone {time.monotonic() - since:.1f} s after the order"


@CASES.case(
    "killed",
    "a killed executor comes back as another",
    "After kill -9 and a restart it registers with a new instance_id, claims the run again under its new epoch, and "
    "never reports the old epoch.",
)
def killed(trial: Trial) -> str:
    room = trial.room
    first = trial.start()
    run = room.submit(lease_seconds=6.0, sleep_seconds=3.0)
    trial.works(run)
    trial.subject.kill()
    died = time.monotonic()
    with room.changing():
        room.draining.update(room.executors)  # what the dead one still waits for goes to nobody
    room.requeue(run)
    second = trial.start()
    require(
        second.body["instance_id"] != first.body["instance_id"], "it registered with the instance_id of the dead one"
    )
    trial.reports(run)
    old = [body for at, body in room.report_bodies(run) if body["epoch"] != run.epoch]
    require(not old, f"epoch {run.epoch - 1} was reported after the restart; the current one is {run.epoch}")
    return f"done again {time.monotonic() - died:.1f} s after the kill"


@CASES.case(
    "lapse-stop",
    "stops at the end of the lease when told so",
    "With on_lapse `stop` and no heartbeat answered for lease_seconds, the work ends and is not reported while the "
    "lease is lost.",
)
def lapse_stop(trial: Trial) -> str:
    room = trial.room
    trial.start()
    lapsing = room.submit(lease_seconds=4.0, on_lapse="stop", sleep_seconds=LONG)
    trial.works(lapsing)
    fault = room.break_("heartbeat", "drop", times=UNTIL_HEALED)
    room.wait("a heartbeat", lambda: fault.hit, 6.0)
    begun = fault.hit[0]
    trial.does(lines=1, seconds=4.0 + 10.0)
    room.heal()
    require(
        not room.report_bodies(lapsing), "the run was reported, though its lease had lapsed and it was told to stop"
    )
    return f"free for the next run {time.monotonic() - begun:.1f} s after the last renewal"


@CASES.case(
    "lapse-continue",
    "works on when the lease lapses and it may",
    "With on_lapse `continue` and no heartbeat answered for twice lease_seconds, the work goes on and is reported.",
)
def lapse_continue(trial: Trial) -> str:
    room = trial.room
    trial.start()
    lapsing = room.submit(lease_seconds=3.0, sleep_seconds=7.0)
    trial.works(lapsing)
    fault = room.break_("heartbeat", "drop", times=UNTIL_HEALED)
    trial.reports(lapsing)
    room.heal()
    require(fault.hit, "no heartbeat came while the run was at work")
    trial.does(lines=1)
    return f"{len(fault.hit)} heartbeats were cut"
