"""The one error a user sees, and the exit codes of the command line. Imports nothing, so that start-up stays fast."""

from __future__ import annotations

OK = 0
FAILED = 1  # a run failed, a check found something, the stack did not start
MISUSE = 2  # wrong arguments, unreadable files, options that contradict each other
REFUSED = 3  # not found, forbidden, in conflict with what is on record
UNAVAILABLE = 4  # the server, the database or the object store cannot be reached
INTERRUPTED = 130  # Ctrl-C

EXIT_CODES = {
    OK: "done",
    FAILED: "a run failed, a check found something, or the stack did not start",
    MISUSE: "wrong usage: arguments, options or files",
    REFUSED: "not found or refused",
    UNAVAILABLE: "the server, the database or the object store cannot be reached",
    INTERRUPTED: "interrupted",
}


class ControlRoomError(Exception):
    """What was wrong, where, and what to do next; exit_code is one of EXIT_CODES."""

    def __init__(self, what: str, *, where: str = "", next_step: str = "", exit_code: int = FAILED):
        super().__init__(what)
        self.what = what
        self.where = where
        self.next_step = next_step
        self.exit_code = exit_code

    def __str__(self) -> str:
        parts = [self.what, f"where: {self.where}" if self.where else "", f"next: {self.next_step}"]
        return "\n".join(part for part in parts if part and part != "next: ")
