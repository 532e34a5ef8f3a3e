"""The one error a user sees, and the exit codes of the command line. Imports nothing, so that start-up stays fast."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

OK = 0
FAILED = 1  # a run failed, a check found something, the stack did not start
MISUSE = 2  # wrong arguments, unreadable files, options that contradict each other
REFUSED = 3  # not found, forbidden, in conflict with what is on record
UNAVAILABLE = 4  # the server, the database or the object store cannot be reached
INTERRUPTED = 130  # Ctrl-C

EXIT_CODES = {
    OK: "done",
    FAILED: "a run failed, a check found something, or the stack did not start or is not ready",
    MISUSE: "wrong usage: arguments, options or files",
    REFUSED: "not found or refused",
    UNAVAILABLE: "the server, the database or the object store cannot be reached",
    INTERRUPTED: "interrupted",
}


# The code of a failure that is the command line's own; what the server refuses keeps the code of its problem.
CODES = {
    FAILED: "failed",
    MISUSE: "usage",
    REFUSED: "refused",
    UNAVAILABLE: "unavailable",
    INTERRUPTED: "interrupted",
}


class ControlRoomError(Exception):
    """What was wrong, where, and what to do next; exit_code is one of EXIT_CODES.

    code: of the server's problem, else one of CODES; members: what else a program may want to know (errors, kinds, …).
    """

    def __init__(
        self,
        what: str,
        *,
        where: str = "",
        next_step: str = "",
        exit_code: int = FAILED,
        code: str = "",
        members: Mapping[str, Any] | None = None,
    ):
        super().__init__(what)
        self.what = what
        self.where = where
        self.next_step = next_step
        self.exit_code = exit_code
        self.code = code or CODES.get(exit_code, "failed")
        self.members = dict(members or {})

    def __str__(self) -> str:
        parts = [self.what, f"where: {self.where}" if self.where else "", f"next: {self.next_step}"]
        return "\n".join(part for part in parts if part and part != "next: ")

    def problem(self) -> dict[str, Any]:
        """For programs: the members of an RFC 9457 problem that a command can know, and its exit code."""
        known = {"code": self.code, "detail": self.what, "where": self.where, "hint": self.next_step}
        return {**self.members, **{k: v for k, v in known.items() if v}, "exit_code": self.exit_code}


@contextmanager
def interruptible(what: str, next_step: str) -> Iterator[None]:
    """Ctrl-C inside says in what state things are, and what to run next."""
    try:
        yield
    except KeyboardInterrupt:
        raise ControlRoomError(what, next_step=next_step, exit_code=INTERRUPTED) from None
