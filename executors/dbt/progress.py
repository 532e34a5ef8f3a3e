"""What dbt's events tell while it works: which node runs, how many are done, how each ended.

Each start and end of a node is a line of JSON in the run's log stream ``nodes``: ``{"event": "started" | "finished",
"unique_id", "name", "resource_type"}`` and, when finished, ``{"status", "seconds", "rows", "failures", "message"}``.
"""

from __future__ import annotations

import json
import threading
from typing import Any, Protocol

from executors.dbt.outcome import FAILED, MESSAGE_LIMIT, tidy

STREAM = "nodes"
STARTED, FINISHED = "NodeStart", "NodeFinished"
Json = dict[str, Any]


class Told(Protocol):
    """The part of the context that is told."""

    def progress(self, fraction: float | None, message: str, *, current: float, total: float | None, unit: str) -> None:
        """See :meth:`executors.runtime.child.Context.progress`."""

    def metric(self, name: str, value: float) -> None:
        """See :meth:`executors.runtime.child.Context.metric`."""

    def log(self, text: str, stream: str) -> None:
        """See :meth:`executors.runtime.child.Context.log`."""


class NodeProgress:
    """A callback of dbtRunner; called from dbt's threads."""

    def __init__(self, told: Told) -> None:
        self._told = told
        self._lock = threading.Lock()
        self._running: dict[str, str] = {}
        self._done = self._failed = 0
        self._total = 0

    def __call__(self, event: Any) -> None:
        """Take an event (EventMsg with ``info.name`` and ``data``)."""
        name = event.info.name
        if name == "LogStartLine":
            self._total = max(self._total, int(event.data.total))
        elif name == STARTED:
            self._started(event.data.node_info)
        elif name == FINISHED:
            self._finished(event.data.node_info, event.data.run_result)

    def _started(self, node: Any) -> None:
        with self._lock:
            self._running[node.unique_id] = node.node_name
            self._told.log(json.dumps({"event": "started", **named(node)}), STREAM)
            self._tell()

    def _finished(self, node: Any, result: Any) -> None:
        with self._lock:
            self._running.pop(node.unique_id, None)
            self._done += 1
            self._failed += result.status in FAILED
            self._told.log(json.dumps({"event": "finished", **named(node), **ended(result)}), STREAM)
            self._told.metric("nodes_done", self._done)
            self._told.metric("nodes_failed", self._failed)
            self._tell()

    def _tell(self) -> None:
        running = ", ".join(self._running.values())
        # The total is known with the first "START" line; the last tenth is for publishing.
        fraction = min(0.9, 0.9 * self._done / self._total) if self._total else None
        message = f"running {running}" if running else f"{self._done} nodes done"
        message += f"; {self._failed} failed" if self._failed else ""
        self._told.progress(fraction, message, current=self._done, total=self._total or None, unit="nodes")


def named(node: Any) -> Json:
    return {"unique_id": node.unique_id, "name": node.node_name, "resource_type": node.resource_type}


def ended(result: Any) -> Json:
    rows = dict(result.adapter_response).get("rows_affected")
    failures = result.num_failures if result.status in ("fail", "warn") else None
    return {
        "status": result.status,
        "seconds": round(float(result.execution_time), 3),
        "rows": None if rows is None else int(rows),
        "failures": failures,
        "message": tidy(result.message)[:MESSAGE_LIMIT] or None,
    }
