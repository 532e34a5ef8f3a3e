"""Whether an executor process is well: its heartbeat thread leaves a note, a probe in the same container reads it.

``python -m executors.runtime.health [WORK_DIR]`` is that probe: exit code 0 when the thread tried lately, 1 when not. A
control room that does not answer makes no executor ill: the work goes on, and a restart would lose it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

NOTE = "health.json"
MISSED_BEATS = 3
SLACK_SECONDS = 30.0  # a heartbeat that waits for an answer takes so long at most


@dataclass(frozen=True)
class Note:
    """When the executor last tried to reach the control room and was last answered (monotonic, this machine's), and how
    many seconds it waits between two tries."""

    tried_at: float
    answered_at: float | None
    every_seconds: float

    def verdict(self, now: float) -> tuple[bool, str]:
        """(well, in words)."""
        silent = now - self.tried_at
        heard = "never" if self.answered_at is None else f"{now - self.answered_at:.0f} s ago"
        well = silent <= MISSED_BEATS * self.every_seconds + SLACK_SECONDS
        return well, f"last heartbeat {silent:.0f} s ago (every {self.every_seconds:g} s), last answered {heard}"


class NoteBook:
    """Writes the note of one process into its own folder, which holds that of the process before it until then."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path, self._clock = folder / NOTE, clock
        self._answered_at: float | None = None
        with suppress(OSError):
            self._path.unlink()

    def beat(self, answered: bool, every_seconds: float) -> None:
        """Note a try. Never raises: a full disk must not end the heartbeats."""
        now = self._clock()
        self._answered_at = now if answered else self._answered_at
        text = json.dumps(asdict(Note(now, self._answered_at, every_seconds)))
        beside = self._path.with_suffix(".new")
        with suppress(OSError):
            beside.write_text(text, "utf-8")
            beside.replace(self._path)


def latest(work_dir: Path, clock: Callable[[], float] = time.monotonic) -> Note | None:
    """The newest note below a work folder, None when there is none. One from the future is none: it was written before
    the machine, and with it the clock, started anew."""
    notes = []
    for path in work_dir.glob(f"*/{NOTE}"):
        with suppress(OSError, ValueError, TypeError):
            note = Note(**json.loads(path.read_text("utf-8")))
            if note.tried_at <= clock():
                notes.append(note)
    return max(notes, key=lambda note: note.tried_at, default=None)


def main(argv: Sequence[str] | None = None) -> int:
    """The probe. Its words go to stdout, as container engines keep them."""
    arguments = sys.argv[1:] if argv is None else argv
    work_dir = Path(arguments[0] if arguments else os.environ.get("OPS_WORK_DIR", "."))
    note = latest(work_dir)
    well, words = note.verdict(time.monotonic()) if note else (False, f"no executor has worked in {work_dir} yet")
    sys.stdout.write(words + "\n")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
