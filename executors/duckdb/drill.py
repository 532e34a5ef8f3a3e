"""The conformance kit's workload for an executor of SQL: the same doing, with statements on the engine. See
:mod:`contract.conformance.workload`."""

from __future__ import annotations

import time
from typing import Any

import duckdb

from executors.runtime.child import Cancelled, Context
from executors.runtime.failures import TaskError

LINES = "select format('line {} of {} – grüße', n, $of) from range(1, $of + 1) t (n) order by n"
BYTES = "select i % 251 from range($size) t (i) order by i"
TICK_SECONDS = 0.2


def drill(context: Context) -> dict[str, Any]:
    """Do what the params ask for."""
    context.is_cancelled()  # which says that it asks itself
    params = context.params
    lines, size = int(params.get("lines", 0)), int(params.get("artifact_bytes", 0))
    with duckdb.connect(":memory:") as database:
        if lines:
            shown = [row[0] for row in database.execute(LINES, {"of": lines}).fetchall()]
            print("\n".join(shown), flush=True)  # noqa: T201 - the log of a run
        if size:
            values = database.execute(BYTES, {"size": size}).fetchall()
            context.artifact("conformance.bin", bytes(value for (value,) in values))
        work(context, database, float(params.get("sleep_seconds", 0)))
    if params.get("fail"):
        raise TaskError(str(params["fail"]), "asked_to_fail", "the conformance kit asked for this")
    return {"lines": lines, "artifact_bytes": size}


def work(context: Context, database: Any, seconds: float) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        print(database.execute("select 'tick'").fetchone()[0], flush=True)  # noqa: T201 - the log of a run
        time.sleep(min(TICK_SECONDS, left))
        if context.is_cancelled():
            raise Cancelled("the run was ended")
