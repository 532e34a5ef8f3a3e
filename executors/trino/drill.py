"""The conformance kit's workload for an executor of SQL: the same doing, with statements on the engine.

``lines`` and ``artifact_bytes`` are computed by Trino; the time of ``sleep_seconds`` is spent in one query after the
other, so that a cancellation meets the engine at work. See :mod:`contract.conformance.workload`.
"""

from __future__ import annotations

import base64
import time
from typing import Any

from executors.runtime.child import Cancelled
from executors.runtime.failures import TaskError
from executors.runtime.warm_child import WarmContext
from executors.trino.engine import Bound, Interrupted, Query, Session
from executors.trino.run import FAILURES, who
from executors.trino.settings import target_of

LINES = "SELECT format('line %s of %s – grüße', n, ?) FROM UNNEST(sequence(?, ?)) AS t (n) ORDER BY n"
BYTES = "SELECT from_hex(array_join(transform(sequence(?, ?), i -> lpad(to_base(i % 251, 16), 2, '0')), ''))"
TICK = "SELECT 'tick'"
TICK_SECONDS = 0.2
BLOCK = 5000  # a sequence has at most 10,000 members
ARTIFACT = "conformance.bin"


def drill(context: WarmContext) -> dict[str, Any]:
    """Do what the params ask for."""
    session = Session(target_of("trino", context.connections), who(context), {})
    context.on_stop(session.cancel)
    params = context.params
    lines, size = int(params.get("lines", 0)), int(params.get("artifact_bytes", 0))
    try:
        for start in range(1, lines + 1, BLOCK):
            shown = rows(session, LINES, lines, start, min(lines, start + BLOCK - 1))
            context.log("\n".join(row[0] for row in shown), "stdout")
        if size:
            context.artifact(ARTIFACT, content(session, size))
        work(context, session, float(params.get("sleep_seconds", 0)))
    except Interrupted:
        raise Cancelled("the run was ended") from None
    except FAILURES as error:
        raise TaskError("external", "trino_failed", f"Trino did not do the drill: {error}") from error
    if params.get("fail"):
        raise TaskError(str(params["fail"]), "asked_to_fail", "the conformance kit asked for this")
    return {"lines": lines, "artifact_bytes": size}


def rows(session: Session, sql: str, *values: int) -> list[list[Any]]:
    bound = Bound(sql, [str(value) for value in values])
    return [row for page in session.run(bound, Query(), lambda _: None) for row in page]


def content(session: Session, size: int) -> bytes:
    blocks = [(start, min(size, start + BLOCK) - 1) for start in range(0, size, BLOCK)]
    return b"".join(base64.b64decode(rows(session, BYTES, *block)[0][0]) for block in blocks)


def work(context: WarmContext, session: Session, seconds: float) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        context.log(rows(session, TICK)[0][0], "stdout")
        if context.wait(min(TICK_SECONDS, left)):
            raise Interrupted
