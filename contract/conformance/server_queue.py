"""Cases of the server kit: registration, versions, claims, heartbeats."""

import time
from datetime import datetime
from uuid import uuid4

import httpx

from contract import deprecation
from contract.conformance.desk import Desk, report_body
from contract.conformance.verdict import Register, require
from contract.versions import order

CASES: Register[Desk] = Register()


@CASES.case(
    "register-twice",
    "knows an instance again",
    "The same instance_id gets the same executor_id; another one another; a left instance 409 `executor_gone`.",
)
def register_twice(desk: Desk) -> None:
    body = desk.registration()
    first = desk.ok("POST", "/executors", body)
    second = desk.ok("POST", "/executors", body)
    require(first["executor_id"] == second["executor_id"], "the same instance_id got two executor_ids")
    other = desk.register()
    require(other != first["executor_id"], "two instances got one executor_id")
    path = f"/executors/{first['executor_id']}"
    for _ in range(2):
        left = desk.call("DELETE", path)
        require(
            left.status_code == 204, f"leaveExecutor answered {left.status_code}; leaving twice is the same as once"
        )
    desk.refused(409, "executor_gone", "POST", "/executors", body)
    desk.refused(409, "executor_gone", "POST", f"{path}/claims", desk.wish())
    desk.refused(409, "executor_gone", "POST", f"{path}/heartbeat", {"state": "active", "runs": []})


@CASES.case(
    "versions",
    "negotiates the contract version",
    "The newest version that both speak: an executor one version behind (0.9–1.0) is answered 1.0, one that is ahead "
    "(1.1–2.0) 1.1 or newer; one that speaks only others (98.0–99.0, 0.8–0.9) gets 409 `contract_version_unsupported` "
    "with a hint. What an answer says is deprecated, it says as RFC 9745 and RFC 8594 do.",
)
def versions(desk: Desk) -> str:
    told = []
    for low, high, due in (("1.0", "1.0", "1.0"), ("0.9", "1.0", "1.0"), ("1.0", "1.1", "1.1"), ("1.1", "2.0", "1.1")):
        body = desk.registration(contract={"min": low, "max": high})
        response = desk.call("POST", "/executors", body)
        require(
            response.status_code == 200, f"{low} to {high} was answered {response.status_code}: {response.text[:300]}"
        )
        chosen = response.json()["contract_version"]
        desk.executors.append(response.json()["executor_id"])
        require(order(due) <= order(chosen) <= order(high), f"{low} to {high} was answered {chosen}")
        told += [f"{chosen} is {text}"] if (text := _deprecation(response)) else []
    for low, high in (("98.0", "99.0"), ("0.8", "0.9")):
        body = desk.registration(contract={"min": low, "max": high})
        problem = desk.refused(409, "contract_version_unsupported", "POST", "/executors", body)
        require(problem.get("hint"), f"the refusal of {low} to {high} has no hint")
    return "; ".join(dict.fromkeys(told))


def _deprecation(response: httpx.Response) -> str:
    """What the headers say, for people; they must be well formed."""
    found = deprecation.told(response.headers)
    if found is None:
        return ""
    require(found.since, f"Deprecation: {response.headers['deprecation']} is no date of RFC 9745 (@ and seconds)")
    text = response.headers.get("sunset")
    require(not text or found.sunset, f"Sunset: {text} is no HTTP date")
    require(not found.sunset or not found.since or found.sunset >= found.since, "Sunset is earlier than Deprecation")
    return str(found)


@CASES.case(
    "unknown-kind",
    "refuses kinds and workspaces that are not there",
    "422 `unknown_kind`; 404 `workspace_not_found`.",
)
def unknown_kind(desk: Desk) -> None:
    desk.refused(422, "unknown_kind", "POST", "/executors", desk.registration(kind="conformance-fortran"))
    lost = desk.registration(workspaces=["conformance-atlantis"])
    desk.refused(404, "workspace_not_found", "POST", "/executors", lost)


@CASES.case(
    "claim-waits",
    "waits as long as a claim says",
    "With nothing to do, a claim with wait_seconds 1 is answered after 1 s, with no runs; with 0 at once.",
)
def claim_waits(desk: Desk) -> str:
    executor_id = desk.register()
    started = time.monotonic()
    require(desk.claim(executor_id, desk.wish(wait_seconds=1)) == [], "a claim on an empty queue brought runs")
    waited = time.monotonic() - started
    require(0.9 <= waited < 6, f"it was answered after {waited:.2f} s")
    require(desk.claim(executor_id, desk.wish()) == [], "a claim on an empty queue brought runs")
    return f"{waited:.2f} s"


@CASES.case(
    "claim-repeat",
    "answers a repeated claim the same",
    "The same request_id and body bring the same runs and epochs, also with another wait_seconds; a new request_id "
    "brings none of them; another body is 409 `request_id_conflict`; what was reported since is left out.",
)
def claim_repeat(desk: Desk) -> None:
    executor_id = desk.register()
    path, wish = f"/executors/{executor_id}/claims", desk.wish(max_runs=2, wait_seconds=desk.server.patience_seconds)
    desk.submit()
    first = desk.claim(executor_id, wish)
    require(len(first) == 1, f"{len(first)} runs were claimed of the one submitted")
    for again in (wish, wish | {"wait_seconds": 0}):
        found = [(run["run_id"], run["epoch"]) for run in desk.claim(executor_id, again)]
        require(found == [(first[0]["run_id"], first[0]["epoch"])], f"the repeated claim was answered with {found}")
    require(desk.claim(executor_id, desk.wish()) == [], "a new claim brought a run that is held")
    desk.refused(409, "request_id_conflict", "POST", path, wish | {"max_runs": 3})
    desk.report(first[0])
    require(desk.claim(executor_id, wish | {"wait_seconds": 0}) == [], "a repeated claim brought a run that is done")


@CASES.case(
    "claim-exclusive",
    "gives a run to one executor",
    "Of two executors that claim one run, one gets it.",
)
def claim_exclusive(desk: Desk) -> None:
    _, (run,) = desk.working()
    other = desk.register()
    require(desk.claim(other, desk.wish()) == [], f"run {run['number']} was given to a second executor")


@CASES.case(
    "heartbeat",
    "renews leases",
    "A heartbeat moves the deadline of each run named and says `continue`; a run that it does not know is "
    "`superseded`, and fails nothing else.",
)
def heartbeat(desk: Desk) -> None:
    executor_id, (run,) = desk.working()
    time.sleep(0.2)
    unknown = {"run_id": str(uuid4()), "epoch": 1}
    told, lost = desk.beat(executor_id, run, unknown)
    require(told["directive"] == "continue", f"the directive of a held run is {told['directive']}")
    before, after = (datetime.fromisoformat(text) for text in (run["lease_deadline"], told["lease_deadline"]))
    require(after > before, f"the deadline did not move: {before} to {after}")
    require(lost["directive"] == "superseded", f"the directive of an unknown run is {lost['directive']}")
    (foreign,) = desk.beat(desk.register(), run)
    require(foreign["directive"] == "superseded", f"another executor was told {foreign['directive']} of the run")


@CASES.case(
    "cancel",
    "tells of a cancellation",
    "After a cancel the directive is `cancel`, with a reason and grace_seconds; the report `cancelled` is accepted.",
)
def cancel(desk: Desk) -> None:
    executor_id, (run,) = desk.working()
    desk.operate("POST", f"/runs/{run['run_id']}/cancel", {"reason": "conformance"})
    (told,) = desk.beat(executor_id, run)
    require(told["directive"] == "cancel", f"the directive is {told['directive']}")
    require(told["grace_seconds"] is not None and told["reason"] == "conformance", f"it says {told}")
    answer = desk.report(run, outcome="cancelled", reason="as told")
    require(answer["run_state"] == "cancelled", f"the run is {answer['run_state']}")


@CASES.case(
    "revoked",
    "takes the lease at a forced cancel",
    "The holder's verbs are refused with 409 `lease_lost`, reason `cancelled`; the directive is `superseded`.",
)
def revoked(desk: Desk) -> None:
    executor_id, (run,) = desk.working()
    desk.operate("POST", f"/runs/{run['run_id']}/cancel", {"reason": "conformance", "force": True})
    problem = desk.refused(409, "lease_lost", "POST", f"/runs/{run['run_id']}/report", report_body(run))
    require(problem.get("reason") == "cancelled", f"the reason is {problem.get('reason')}")
    require(problem.get("epoch_current", 0) > run["epoch"], "the revocation did not raise the epoch")
    (told,) = desk.beat(executor_id, run)
    require(told["directive"] == "superseded", f"the directive is {told['directive']}")
    desk.held.clear()
