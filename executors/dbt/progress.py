"""Progress from dbt's events: which node runs, how many are done."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

Report = Callable[..., None]
STARTED, FINISHED = "NodeStart", "NodeFinished"


class NodeProgress:
    """A callback of dbtRunner; called from dbt's threads. ``report`` is the context's progress."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._lock = threading.Lock()
        self._running: dict[str, str] = {}
        self._done = 0
        self._total = 0

    def __call__(self, event: Any) -> None:
        """Take an event (EventMsg with ``info.name`` and ``data``)."""
        name = event.info.name
        if name == "LogStartLine":
            self._total = max(self._total, int(event.data.total))
        elif name in {STARTED, FINISHED}:
            self._node(name, event.data.node_info)

    def _node(self, name: str, node: Any) -> None:
        with self._lock:
            if name == STARTED:
                self._running[node.unique_id] = node.node_name
            elif self._running.pop(node.unique_id, None):
                self._done += 1
            self._tell()

    def _tell(self) -> None:
        running = ", ".join(self._running.values())
        # The total is known with the first "START" line; the last tenth is for publishing.
        fraction = min(0.9, 0.9 * self._done / self._total) if self._total else None
        message = f"running {running}" if running else f"{self._done} nodes done"
        self._report(fraction, message, current=self._done, total=self._total or None, unit="nodes")
