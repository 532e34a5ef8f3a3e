"""From how a child ended to the one report of its attempt. Pure: no clock, no I/O."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from executors.runtime.failures import error_record
from executors.runtime.supervise import SILENT, ChildEnd
from executors.runtime.text import clean_json, clean_text

Json = dict[str, Any]
# Signals of a crash inside the program; every other signal came from outside.
CRASHES = frozenset({signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGABRT, signal.SIGTRAP})
USAGE_LIMIT = 64


@dataclass(frozen=True)
class Facts:
    """What the runtime knows beside the child's end."""

    run_id: str
    epoch: int
    finished_at: datetime
    usage: Mapping[str, float] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    publications: Sequence[Json] = ()
    upload_error: Json | None = None
    oom_killed: bool = False
    # The contract's StopTimings; None when nothing was ordered to stop, or the control room does not know them.
    timings: Json | None = None


def conclude(end: ChildEnd, facts: Facts) -> Json | None:
    """The report's body; None when there is none: another epoch holds the run, or the executor gives it back."""
    body = concluded(end, facts)
    if body is not None:
        body["cap_ledger"] += [notice.ledger_entry() for notice in end.notices]
        if facts.timings and body["outcome"] in ("cancelled", "capped"):
            body["timings"] = facts.timings
    return body


def concluded(end: ChildEnd, facts: Facts) -> Json | None:
    if end.stop is not None and end.stop.kind in SILENT:
        return None
    if end.breaches:
        return capped(end, facts)
    if end.stop is not None and end.stop.kind == "shutdown" and not succeeded_first(end):
        return None
    if end.stop is not None and end.stop.kind == "cancel" and not succeeded_first(end):
        return {**common(facts), "outcome": "cancelled", "reason": end.stop.reason[:1024], "error": None}
    if error := child_error(end, facts):
        return failed(facts, error, end.result)
    return {
        **common(facts),
        "outcome": "succeeded",
        "result": end.result or {},
        "publications": list(facts.publications),
    }


def failed(facts: Facts, error: Json, result: Json | None = None) -> Json:
    return {**common(facts), "outcome": "failed", "error": error, "result": result}


def capped(end: ChildEnd, facts: Facts) -> Json:
    first = end.breaches[0]
    # Where the system refused memory, or took it, the words of who met that tell more.
    told = child_error(end, facts) if first.layer == "engine" and end.stop is None else None
    return {
        **common(facts),
        "cap_ledger": [breach.ledger_entry() for breach in end.breaches],
        "outcome": "capped",
        "cap": first.cap,
        "error": told or error_record("resources", "cap_exceeded", first.message()),
    }


def common(facts: Facts) -> Json:
    return {
        "epoch": facts.epoch,
        "idempotency_key": f"{facts.run_id}/{facts.epoch}",
        "usage": dict(list(facts.usage.items())[:USAGE_LIMIT]),
        **({"metrics": dict(facts.metrics)} if facts.metrics else {}),
        "finished_at": facts.finished_at.isoformat(),
        "cap_ledger": [],
    }


def succeeded(end: ChildEnd) -> bool:
    return end.status == 0 and end.result is not None and end.error is None


def succeeded_first(end: ChildEnd) -> bool:
    """Whether the result was there before the order to stop."""
    return succeeded(end) and not end.stopped_first


def child_error(end: ChildEnd, facts: Facts) -> Json | None:
    """Why the attempt failed, the child's own words first; None for success."""
    if end.fault is not None:
        return end.fault
    if end.error is not None:
        return clean_error(end.error)
    if end.problem is not None:
        return error_record("user", "protocol_broken", end.problem)
    if end.unsure and (end.status is None or os.WIFSIGNALED(end.status)):
        text = "the process that talked to the engine was killed while it may have written; look at what it wrote"
        return error_record("resources" if facts.oom_killed else "internal", "outcome_unknown", text)
    if end.status is None:
        return error_record(
            "internal", "child_lost", "the process that kept the child was killed; the run can be retried"
        )
    if not succeeded(end):
        return exit_error(end, facts)
    return facts.upload_error


def clean_error(error: Mapping[str, Any]) -> Json:
    """An error message of a child, which any program may write, made to fit the contract."""
    known = error.get("class") if error.get("class") in ("user", "external", "internal", "resources") else "user"
    position = plain_position(error.get("position"))
    trace = error.get("trace") if isinstance(error.get("trace"), str) else None
    code = clean_text(str(error.get("code") or "failed"))[:100]
    return error_record(str(known), code, str(error.get("message") or "failed without a message"), trace, position)


def plain_position(position: Any) -> Json | None:
    """A place in a file or notebook: texts and whole numbers, nothing nested."""
    if not isinstance(position, dict):
        return None
    plain = {name: value for name, value in position.items() if isinstance(value, str | int)}
    found: Json = clean_json(dict(list(plain.items())[:20]))
    return found


def exit_error(end: ChildEnd, facts: Facts) -> Json:
    status = end.status or 0
    trace = end.stderr_tail or None
    if os.WIFSIGNALED(status):
        return signal_error(os.WTERMSIG(status), facts.oom_killed, trace)
    if end.sandbox.find("failed:") >= 0:
        return error_record("internal", "child_not_started", end.sandbox.partition("failed:")[2].strip())
    code = os.waitstatus_to_exitcode(status)
    if code == 0:
        text = "the child ended with exit code 0 but gave no result; let the task return instead of leaving the process"
        return error_record("user", "result_missing", text, trace)
    return error_record("user", "exit_code", f"the child ended with exit code {code} and no error message", trace)


def signal_error(number: int, oom_killed: bool, trace: str | None) -> Json:
    name = signal.Signals(number).name if number in set(signal.Signals) else str(number)
    if oom_killed:
        text = "the system killed the child because memory ran out; give the run less data or the executor more memory"
        return error_record("resources", "out_of_memory", text, trace)
    if number in CRASHES:
        return error_record("user", "crashed", f"the child crashed with {name}, most likely in native code", trace)
    text = f"the child was killed with {name} from outside (an operator, or the system when memory ran out)"
    return error_record("internal", "child_killed", text, trace)
