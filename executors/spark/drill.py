"""The conformance kit's workload for an executor of SQL: the same doing, with statements on the engine. See
:mod:`contract.conformance.workload`."""

from __future__ import annotations

import time
from typing import Any

from executors.runtime.child import Cancelled
from executors.runtime.failures import TaskError
from executors.runtime.warm_child import WarmContext
from executors.spark.config import SparkConfig
from executors.spark.run import opened
from executors.spark.session import FAILURES, Interrupted, Query, Session
from executors.spark.settings import Target

LINES = "SELECT concat('line ', id, ' of ', {of}, ' – grüße') AS line FROM range(1, {of} + 1) ORDER BY id"
BYTES = "SELECT CAST(id % 251 AS INT) AS b FROM range({size}) ORDER BY id"
TICK = "SELECT 'tick'"
TICK_SECONDS = 0.2
ARTIFACT = "conformance.bin"


def drill(context: WarmContext, target: Target) -> dict[str, Any]:
    """Do what the params ask for."""
    params = context.params
    lines, size = int(params.get("lines", 0)), int(params.get("artifact_bytes", 0))
    try:
        with opened(context, SparkConfig(), target) as session:
            if lines:
                context.log("\n".join(column(session, LINES.format(of=lines))), "stdout")
            if size:
                context.artifact(ARTIFACT, bytes(column(session, BYTES.format(size=size))))
            work(context, session, float(params.get("sleep_seconds", 0)))
    except Interrupted:
        raise Cancelled("the run was ended") from None
    except FAILURES as error:
        raise TaskError("external", "spark_failed", f"Spark did not do the drill: {error}") from error
    if params.get("fail"):
        raise TaskError(str(params["fail"]), "asked_to_fail", "the conformance kit asked for this")
    return {"lines": lines, "artifact_bytes": size}


def column(session: Session, sql: str) -> list[Any]:
    query = Query()
    with session.working():
        batches = session.batches(session.run(sql, query), query)
        return [value for batch in batches for value in batch.column(0).to_pylist()]


def work(context: WarmContext, session: Session, seconds: float) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        context.log(column(session, TICK)[0], "stdout")
        if context.wait(min(TICK_SECONDS, left)):
            raise Interrupted
