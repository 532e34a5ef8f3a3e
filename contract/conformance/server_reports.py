"""Cases of the server kit: fencing by epoch, reports and their repeats, exchange."""

import time
from typing import Any
from uuid import uuid4

from contract.conformance.desk import TEMPLATE, Desk, Json, chunk, error_info, file_body, now, report_body
from contract.conformance.verdict import Register, require

CASES: Register[Desk] = Register()
LEASE_SECONDS = 10
EXPIRY_SECONDS = 60.0


def lost(desk: Desk, run: Json, current: int, verb: str, body: Json) -> None:
    """The verb must be refused as lease_lost, naming both epochs and why."""
    problem = desk.refused(409, "lease_lost", "POST", f"/runs/{run['run_id']}{verb}", body)
    found = (problem.get("epoch_sent"), problem.get("epoch_current"))
    require(found == (body["epoch"], current), f"{verb}: epochs {(body['epoch'], current)} were due, not {found}")
    reasons = ("expired", "cancelled", "superseded", "terminal")
    require(problem.get("reason") in reasons, f"{verb}: the reason is {problem.get('reason')}, none of {reasons}")
    require(problem.get("run_state"), f"{verb}: the problem does not name the state of the run")


def each_verb(run: Json, epoch: int, artifact_id: str) -> list[tuple[str, Json]]:
    """(path below the run, body) of each verb that carries an epoch."""
    sent: dict[str, Any] = run | {"epoch": epoch}
    key = f"{run['run_id']}/{uuid4()}"
    return [
        ("/logs", {"epoch": epoch, "chunks": [chunk("late\n")]}),
        ("/artifacts", file_body(sent, b"late", "late.bin")),
        (f"/artifacts/{artifact_id}/record", {"epoch": epoch}),
        (f"/artifacts/{artifact_id}/parts", {"epoch": epoch, "parts": []}),
        ("/earlier", {"epoch": epoch, "of": "attempts", "names": ["late.bin"]}),
        ("/report", report_body(sent, idempotency_key=key)),
        ("/report", report_body(sent, outcome="failed", error=error_info(), idempotency_key=key)),
        ("/publications/table/commit", {"epoch": epoch, "state": "committed", "table_version": 0, "rows": 0}),
    ]


def uploaded(desk: Desk, run: Json) -> str:
    """The id of an artifact of the run whose bytes are in the store, and which is not recorded."""
    data = uuid4().bytes
    answer = desk.ok("POST", f"/runs/{run['run_id']}/artifacts", file_body(run, data))
    if answer["upload"]:
        require(desk.put(answer["upload"], data).status_code < 300, "the object store refused the bytes announced")
    return str(answer["artifact_id"])


def lost_in_exchange(desk: Desk, executor_id: str, run: Json, current: int) -> None:
    """A report as a member of an exchange must be refused as lease_lost, by its own problem."""
    member = {"run_id": run["run_id"], "report": report_body(run, idempotency_key=f"{run['run_id']}/{uuid4()}")}
    body = {"request_id": str(uuid4()), "reports": [member], "max_runs": 0}
    (found,) = desk.ok("POST", f"/executors/{executor_id}/exchange", body)["reports"]
    problem = found["problem"] or {}
    require(problem.get("code") == "lease_lost", f"a stale member of an exchange was answered {found}")
    require(problem.get("epoch_current") == current, f"the exchange names epoch {problem.get('epoch_current')}")


@CASES.case(
    "stale-epoch",
    "refuses a stale epoch on every verb",
    "Logs, beginArtifact, recordArtifact, reports, a publication's commit and a member of an exchange are `lease_lost` "
    "when a requeue has taken their epoch back, with both epochs and the reason; a heartbeat says so by its directive; "
    "the holder is not disturbed.",
)
def stale_epoch(desk: Desk) -> str:
    executor_id, (before,) = desk.working()
    begun = uploaded(desk, before)
    other, held = desk.requeued(before)
    verbs = each_verb(before, before["epoch"], begun)
    for verb, body in verbs:
        lost(desk, before, held["epoch"], verb, body)
    lost_in_exchange(desk, executor_id, before, held["epoch"])
    (stale,) = desk.beat(executor_id, before)
    require(stale["directive"] == "superseded", f"the stale epoch was told {stale['directive']}")
    (fresh,) = desk.beat(other, held)
    require(fresh["directive"] == "continue", f"the holder was told {fresh['directive']}")
    answer = desk.report(held)
    require(answer["repeated"] is False, "the holder's report was answered as if somebody had reported before")
    return f"{len(verbs)} verbs, the exchange and the heartbeat"


@CASES.case(
    "retried-epoch",
    "refuses the epoch of a failed attempt",
    "Logs, beginArtifact and recordArtifact of an attempt that reported a failure are 409 `lease_lost` once its run is "
    "held again; a heartbeat says so by its directive; the holder is not disturbed.",
)
def retried_epoch(desk: Desk) -> str:
    executor_id, (before,) = desk.working()
    begun = uploaded(desk, before)
    desk.report(before, outcome="failed", error=error_info("external"))
    held = desk.claim_again(executor_id, before)
    verbs = each_verb(before, before["epoch"], begun)[:3]
    for verb, body in verbs:
        lost(desk, before, held["epoch"], verb, body)
    stale, fresh = desk.beat(executor_id, before, held)
    require(stale["directive"] in ("superseded", "already_terminal"), f"the stale epoch was told {stale['directive']}")
    require(fresh["directive"] == "continue", f"the holder was told {fresh['directive']}")
    desk.report(held)
    return f"{len(verbs)} verbs and the heartbeat"


@CASES.case(
    "foreign-epoch",
    "refuses an epoch that was never given out",
    "An epoch ahead of the holder's is 409 `lease_lost` on every verb, and a publication's commit too.",
)
def foreign_epoch(desk: Desk) -> str:
    executor_id, (run,) = desk.working()
    begun = uploaded(desk, run)
    verbs = each_verb(run, run["epoch"] + 5, begun)
    for verb, body in verbs:
        lost(desk, run, run["epoch"], verb, body)
    (told,) = desk.beat(executor_id, run | {"epoch": run["epoch"] + 5})
    require(told["directive"] == "superseded", f"the directive is {told['directive']}")
    desk.report(run)
    return f"{len(verbs)} verbs and the heartbeat"


@CASES.case(
    "expired",
    "takes the lease of a silent holder, and fences it out",
    "A run whose lease (10 s) is not renewed goes to another executor under a later epoch; from then on every verb of "
    "the old epoch, the report and a publication's commit too, is 409 `lease_lost`.",
)
def expired(desk: Desk) -> str:
    _, (silent,) = desk.working(template=f"{TEMPLATE}-lease", lease_seconds=LEASE_SECONDS)
    begun = uploaded(desk, silent)
    other = desk.register()
    found: list[Json] = []
    end = time.monotonic() + EXPIRY_SECONDS
    while not found and time.monotonic() < end:
        found = desk.claim(other)
    require(found, f"nobody got the run within {EXPIRY_SECONDS:g} s of its claim")
    require(found[0]["epoch"] > silent["epoch"], "the epoch did not rise")
    verbs = each_verb(silent, silent["epoch"], begun)
    for verb, body in verbs:
        lost(desk, silent, found[0]["epoch"], verb, body)
    desk.held.pop((silent["run_id"], silent["epoch"]))
    desk.report(found[0])
    return f"{len(verbs)} verbs"


@CASES.case(
    "report-repeat",
    "answers a repeated report the same",
    "The same body again is 200 with `repeated: true` and the same answer; so is another body of the same outcome, and "
    "the first one stands.",
)
def report_repeat(desk: Desk) -> None:
    _, (run,) = desk.working()
    path, body = f"/runs/{run['run_id']}/report", report_body(run, result={"rows": 1})
    first = desk.ok("POST", path, body)
    desk.held.clear()
    require(first["repeated"] is False and first["run_state"] == "succeeded", f"the first answer is {first}")
    for again in (body, body | {"result": {"rows": 2}, "finished_at": now()}):
        second = desk.ok("POST", path, again)
        require(second["repeated"] is True, "a repeated report was answered with repeated: false")
        changed = [name for name in first if name != "repeated" and first[name] != second.get(name)]
        require(not changed, f"the repeated report was answered with another {', '.join(changed)}")


@CASES.case(
    "report-conflict",
    "refuses another outcome",
    "A second report of another outcome is 409 `already_reported` with the outcome on record.",
)
def report_conflict(desk: Desk) -> None:
    _, (run,) = desk.working()
    desk.report(run)
    other = report_body(run, outcome="failed", error=error_info())
    problem = desk.refused(409, "already_reported", "POST", f"/runs/{run['run_id']}/report", other)
    require(problem.get("outcome") == "succeeded", f"the outcome on record is {problem.get('outcome')}")


@CASES.case(
    "report-key",
    "refuses a key that reported another attempt",
    "One idempotency_key on another (run, epoch) is 409 `idempotency_conflict`, and that run stays held.",
)
def report_key(desk: Desk) -> None:
    executor_id, (one, two) = desk.working(2)
    key = str(uuid4())
    desk.report(one, idempotency_key=key)
    reused = report_body(two, idempotency_key=key)
    desk.refused(409, "idempotency_conflict", "POST", f"/runs/{two['run_id']}/report", reused)
    (told,) = desk.beat(executor_id, two)
    require(told["directive"] == "continue", f"the run whose report was refused is {told['directive']}")


@CASES.case(
    "outcomes",
    "accepts every outcome",
    "succeeded, failed, cancelled and capped, each with its own members; a retryable failure is routed to `retry`.",
)
def outcomes(desk: Desk) -> None:
    capped = {"error": error_info("resources"), "cap": "wall_seconds"}
    each: dict[str, Json] = {"failed": {"error": error_info()}, "cancelled": {"reason": "stop"}, "capped": capped}
    _, runs = desk.working(len(each))
    for run, (outcome, more) in zip(runs, each.items(), strict=True):
        answer = desk.report(run, outcome=outcome, **more)
        require(answer["outcome"] == outcome, f"{outcome} was answered with {answer['outcome']}")
    executor_id, (run,) = desk.working()
    route = desk.report(run, outcome="failed", error=error_info("external"))["route"]
    require(route["decision"] == "retry", f"a failure that may be retried was routed to {route['decision']}")
    desk.claim(executor_id)


@CASES.case(
    "already-terminal",
    "says already_terminal after the report",
    "A heartbeat that still names a reported attempt is answered `already_terminal`; logs and artifacts of it are 409 "
    "`lease_lost`, reason `terminal`.",
)
def already_terminal(desk: Desk) -> None:
    executor_id, (run,) = desk.working()
    desk.report(run)
    (told,) = desk.beat(executor_id, run)
    require(told["directive"] == "already_terminal", f"the directive is {told['directive']}")
    for verb, body in each_verb(run, run["epoch"], str(uuid4()))[:2]:
        problem = desk.refused(409, "lease_lost", "POST", f"/runs/{run['run_id']}{verb}", body)
        require(problem.get("reason") == "terminal", f"{verb}: the reason is {problem.get('reason')}")


@CASES.case(
    "exchange-stale",
    "fails only the stale member of an exchange",
    "Of a stale report among good ones only that one has a problem (`lease_lost`); answers come in the order sent; "
    "sent again with the same request_id, the good ones are answered as repeated.",
)
def exchange_stale(desk: Desk) -> None:
    executor_id, (one, stale, two) = desk.working(3)
    old = stale | {"epoch": stale["epoch"] + 5}
    members = [{"run_id": run["run_id"], "report": report_body(run)} for run in (one, old, two)]
    body = {"request_id": str(uuid4()), "reports": members, "max_runs": 0}
    for repeated in (False, True):
        answer = desk.ok("POST", f"/executors/{executor_id}/exchange", body)
        ids = [(each["run_id"], each["epoch"]) for each in answer["reports"]]
        require(ids == [(run["run_id"], run["epoch"]) for run in (one, old, two)], f"the answers are about {ids}")
        codes = [each["problem"]["code"] if each["problem"] else None for each in answer["reports"]]
        require(codes == [None, "lease_lost", None], f"the problems are {codes}")
        good = [each["answer"]["repeated"] for each in answer["reports"] if each["answer"]]
        require(good == [repeated, repeated], f"repeated is {good} in the {'second' if repeated else 'first'} answer")
    for run in (one, two):
        desk.held.pop((run["run_id"], run["epoch"]))
    (told,) = desk.beat(executor_id, stale)
    require(told["directive"] == "continue", f"the run with the stale report is {told['directive']}")


@CASES.case(
    "exchange-claims",
    "claims the next run in the same round trip",
    "An exchange with a report and max_runs 1 brings the next run, and the same one again for the same request_id.",
)
def exchange_claims(desk: Desk) -> None:
    executor_id, (run,) = desk.working()
    desk.submit()
    members = [{"run_id": run["run_id"], "report": report_body(run)}]
    body = {"request_id": str(uuid4()), "reports": members, "max_runs": 1, "queues": [desk.queue]}
    answers = [desk.ok("POST", f"/executors/{executor_id}/exchange", body) for _ in range(2)]
    desk.held.pop((run["run_id"], run["epoch"]))
    desk.hold(answers[0]["runs"])
    found = [[(each["run_id"], each["epoch"]) for each in answer["runs"]] for answer in answers]
    require(len(found[0]) == 1, f"{len(found[0])} runs came with the answer")
    require(found[0] == found[1], f"the repeated exchange was answered with {found[1]}, not {found[0]}")
    require(answers[1]["reports"][0]["answer"]["repeated"], "the repeated report is not marked so")
