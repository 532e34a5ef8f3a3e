"""Cases of the executor kit: answers that are lost, late, doubled or refused."""

import time

from contract.conformance import workload
from contract.conformance.executor_flow import gapless, renewed
from contract.conformance.room import UNTIL_HEALED, Call, Room, Run
from contract.conformance.trial import Trial
from contract.conformance.verdict import Register, require

CASES: Register[Trial] = Register()
SHORT_SECONDS = 0.2  # a wait may be cut by so much, for clocks that do not agree


@CASES.case(
    "register-lost",
    "repeats a registration that got no answer",
    "The same instance_id is sent again: a new one would leave an executor behind that nobody is.",
)
def register_lost(trial: Trial) -> None:
    trial.room.break_("registerExecutor", "lose")
    trial.start()
    trial.room.wait("the registration to be sent again", lambda: len(trial.room.of("registerExecutor")) > 1, 20.0)
    trial.same_bodies(trial.room.of("registerExecutor"))
    trial.does(lines=1)


@CASES.case(
    "claim-lost",
    "asks again for a claim that got no answer",
    "After a lost answer the same request_id and body are sent again (wait_seconds may differ): the runs claimed are "
    "in the answer, and would be lost with a new request_id.",
)
def claim_lost(trial: Trial) -> None:
    room = trial.room
    run = room.submit(lines=1)
    fault = room.break_("claim", "lose")
    trial.start()
    trial.claims(run)
    room.wait("the claim to be sent again", lambda: len(room.of("claim")) > 1, trial.options.patience_seconds)
    require(fault.hit, "no claim was made")
    lost, again = room.of("claim")[:2]
    require(
        again.body.get("request_id") == lost.body.get("request_id"), "the claim was sent again with a new request_id"
    )
    trial.same_bodies([lost, again], but=["wait_seconds"])
    trial.reports(run)
    trial.does(lines=1)


@CASES.case(
    "claim-unavailable",
    "waits as long as Retry-After says",
    "After 503 with Retry-After: 3 the claim comes again no earlier than 3 s later, with the same request_id.",
)
def claim_unavailable(trial: Trial) -> str:
    return unavailable(trial, "claim")


@CASES.case(
    "report-unavailable",
    "sends a report again after 503",
    "After 503 with Retry-After: 3 the same report comes again no earlier than 3 s later.",
)
def report_unavailable(trial: Trial) -> str:
    return unavailable(trial, "report")


def unavailable(trial: Trial, operation: str) -> str:
    room = trial.room
    trial.start()
    fault = room.break_(operation, "unavailable", seconds=3.0)
    run = room.submit(lines=1)
    trial.reports(run, seconds=30.0)
    calls = [call for call in room.of(operation) if call.at >= fault.hit[0] - 0.1]
    refused = next(call for call in calls if call.status == 503)
    later = [call for call in calls if call.at > refused.at and call.path == refused.path]
    require(later, f"{operation} was not sent again after 503")
    trial.same_bodies([refused, later[0]], but=["wait_seconds"])
    waited = later[0].at - refused.at
    require(waited >= 3.0 - SHORT_SECONDS, f"{operation} came again after {waited:.1f} s; Retry-After said 3")
    trial.does(lines=1)
    return f"sent again after {waited:.1f} s"


@CASES.case(
    "report-lost",
    "repeats a report that got no answer",
    "After two lost answers the same body is sent a third time; the answer says `repeated`, and the executor goes on.",
)
def report_lost(trial: Trial) -> str:
    room = trial.room
    trial.start()
    room.break_("report", "lose", times=2)
    run = room.submit(lines=1)
    trial.reports(run)
    room.wait("the report to come again", lambda: answered(room, run), trial.options.patience_seconds)
    trial.does(lines=1)
    return f"{len(room.report_bodies(run))} times the same body"


def answered(room: Room, run: Run) -> bool:
    return any(call.status == 200 and call.fault is None for call in room.of("report", run))


@CASES.case(
    "report-refused",
    "drops a report that is refused as lease_lost",
    "A report answered with 409 lease_lost, the first refusal of its run, is not sent again; the executor does not "
    "end, and goes on claiming.",
)
def report_refused(trial: Trial) -> None:
    room = trial.room
    trial.start()

    def lose(call: Call) -> None:
        """The lease is lost the moment before the report comes."""
        if "report" in call.verbs and call.about(stale):
            stale.refuse = "expired"

    with room.changing():
        stale, room.on_call = room.submit(lines=1), lose
    trial.wait("the report", lambda: stale.refuse, trial.options.patience_seconds)
    trial.does(lines=1, seconds=30.0)
    trial.alive()
    sent = len(room.report_bodies(stale))
    require(sent == 1, f"the report was sent {sent} times, though it was refused as lease_lost")


@CASES.case(
    "logs-lost",
    "repeats log chunks that got no answer",
    "After lost answers the same chunks come again at the same seq and offset with the same text; no line is lost.",
)
def logs_lost(trial: Trial) -> None:
    room = trial.room
    trial.start()
    room.break_("appendLogs", "lose", times=2)
    run = trial.does(lines=50)
    more = whole(run, 50)
    require(not more, f"the log goes on after its last line: {more[:80]!r}")
    refused = [call for call in room.of("appendLogs", run) if call.status == 409]
    require(not refused, "a chunk came again with other text or another offset")


@CASES.case(
    "upload-lost",
    "repeats an upload that got no answer",
    "After a refused connection and a lost answer of the PUT, and a lost answer of recordArtifact, the artifact is "
    "there once. A PUT answered with 412 may have been its own: recordArtifact tells.",
)
def upload_lost(trial: Trial) -> None:
    room = trial.room
    trial.start()
    room.break_("PUT object", "drop")
    room.break_("PUT object", "lose")
    room.break_("recordArtifact", "lose")
    run = trial.does(artifact_bytes=50_000, seconds=40.0)
    recorded = [(each.body["name"], each.recorded) for each in room.artifacts.values() if each.run_id == run.run_id]
    whole = all(done for _, done in recorded)
    require(whole and [name for name, _ in recorded].count(workload.ARTIFACT) == 1, f"recorded: {recorded}")


@CASES.case(
    "outage",
    "lives through an outage of the server",
    "While every connection ends for 4 s, with a run at work whose logs are on their way, nothing is given up: the "
    "work is done, its report is answered once, its logs are whole, and the executor goes on claiming.",
)
def outage(trial: Trial) -> str:
    room = trial.room
    trial.start()
    first = room.break_("appendLogs", "drop", times=UNTIL_HEALED)
    run = room.submit(lines=20, lease_seconds=6.0, sleep_seconds=3.0)
    trial.wait("logs", lambda: first.hit, trial.options.patience_seconds)
    fault = room.break_("*", "drop", times=UNTIL_HEALED)
    room.listen(4.0)
    room.heal()
    trial.reports(run, seconds=40.0)
    lines = whole(run, 20)
    require("tick" in lines, "the work was not done: no tick is in the logs")
    trial.does(lines=1, seconds=40.0)
    trial.alive()
    sent = [call for call in room.of("report", run) if call.status]
    require(len(sent) == 1, f"the report was sent {len(sent)} times to a server that answered")
    return f"{len(first.hit) + len(fault.hit)} requests were cut"


def whole(run: Run, lines: int) -> str:
    """What follows these lines in the log; Broken when one of them is missing."""
    text = "".join(chunk["text"] for chunk in gapless(run))
    wanted = workload.expected_lines(lines)
    require(text.startswith(wanted), f"lines are missing: the log begins with {text[:80]!r}")
    return text.removeprefix(wanted)


@CASES.case(
    "stall",
    "lives through answers that take long",
    "Answers to logs and to the report that take 4 s each change nothing: one report, whole logs, a lease of 6 s "
    "renewed meanwhile.",
)
def stall(trial: Trial) -> str:
    room = trial.room
    trial.start()
    room.break_("appendLogs", "stall", seconds=4.0)
    room.break_("report", "stall", seconds=4.0)
    run = room.submit(lines=20, lease_seconds=6.0)
    trial.reports(run, seconds=40.0)
    late = room.wait("the report to be answered", lambda: answered_late(room, run), 10.0)
    whole(run, 20)
    trial.does(lines=1)
    sent = len(room.report_bodies(run))
    require(sent == 1, f"the report was sent {sent} times; its answer took 4 s")
    return renewed(trial, run, late)


def answered_late(room: Room, run: Run) -> float | None:
    """When the report was answered."""
    return next((call.ended for call in room.of("report", run) if call.status == 200), None)


@CASES.case(
    "claimed-twice",
    "does a run once that is handed out twice",
    "A (run, epoch) that comes in a second answer, as a delayed duplicate does, is not done again and not reported "
    "with another body.",
)
def claimed_twice(trial: Trial) -> None:
    room = trial.room
    trial.start()
    run = trial.does(lines=2)
    with room.changing():
        room.again.append(run)
    room.wait("the duplicate to be taken", lambda: not room.again, trial.options.patience_seconds)
    taken = time.monotonic()
    trial.does(lines=1)
    again = [call.operation for call in room.calls if call.at > taken and call.run_id == run.run_id]
    require(not again, f"the work was done again: {', '.join(again[:5])}")
