"""The shared server's out-of-memory, as the executor learns of it: the server's JVM touches a file before it ends
(``-XX:OnOutOfMemoryError``; ``control-room up --with spark`` sets it).

Which of the runs on it took the memory, nobody can say: a thread that finds none left need not be one of those that
hold it. So each run that the server's end met says so, with class resources, and is given a driver of its own when it
is tried again: there the greedy one ends by itself, and the others go on. What may have written is held as ever.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from executors.runtime.supervise import ChildEnd
from executors.spark.config import CONNECT, OWN_CONNECTION

Json = dict[str, Any]
KEY = "server_memory"
ISOLATE = "isolate"
WHY = "an earlier attempt met the end of the shared server, which had run out of memory"
TOLD = "the shared Spark server ran out of memory while the run was on it, by this run or by another"
# Codes of a server that is gone, and what becomes of them: those that hold a run stay.
CODES = {
    "connection_lost": "server_out_of_memory",
    "outcome_unknown": "outcome_unknown",
    "partly_written": "partly_written",
}
MOST_REMEMBERED = 10_000


class SharedMemory:
    """What this executor knows of its server's memory. note: the file, None where there is none. Thread-safe."""

    def __init__(self, note: Path | None) -> None:
        self._note = note
        self._met: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()

    def begin(self, job: Json, mode: str, connection: str) -> None:
        """Remember, before a run goes to the server, what the note says by then."""
        if mode == CONNECT and connection == OWN_CONNECTION and self._note is not None:
            job[KEY] = self._touched()

    def explain(self, job: Mapping[str, Any], end: ChildEnd) -> None:
        """Say why the server was gone, if its note says so since the run began."""
        code = CODES.get(str((end.error or {}).get("code")))
        if KEY not in job or end.error is None or code is None or self._touched() == job[KEY]:
            return
        text = f"{TOLD}: {end.error['message']}"
        end.error = {**end.error, "class": "resources", "code": code, "message": text}
        with self._lock:
            self._met[str(job["run_id"])] = None
            while len(self._met) > MOST_REMEMBERED:
                self._met.popitem(last=False)

    def apart(self, job: Json) -> None:
        """Mark the connection of a run that met such an end: where its template names no mode, it gets a driver."""
        with self._lock:
            met = str(job.get("run_id")) in self._met
        if met and (own := job["connections"].get(OWN_CONNECTION)):
            job["connections"] = {**job["connections"], OWN_CONNECTION: {**own, ISOLATE: WHY}}

    def _touched(self) -> int | None:
        """When the note was touched last, in nanoseconds; None for never."""
        try:
            return self._note.stat().st_mtime_ns if self._note else None
        except OSError:
            return None
