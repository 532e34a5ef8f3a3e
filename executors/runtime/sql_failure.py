"""What a lost connection and an earlier write mean for a run of SQL, alike for all engines. Pure.

The codes ``outcome_unknown`` (a write that may have happened) and ``partly_written`` (an earlier statement wrote) keep
a run from being repeated by itself.
"""

from __future__ import annotations

from typing import Any

from executors.runtime.failures import TaskError


def lost(what: str, position: dict[str, Any], *, head: str = "", writes: bool = False) -> TaskError:
    """The connection broke in the middle of a statement. head: which one, for the reader."""
    if writes:
        text = f"{head}{what}; the statement may have been done: look at its table before you run it again"
        return TaskError("external", "outcome_unknown", text, position=position)
    return TaskError("external", "connection_lost", f"{head}{what}", position=position)


def held(error: TaskError, wrote: bool) -> TaskError:
    """After an earlier statement wrote, a repetition would write that again: the code says so, whatever failed."""
    if not wrote or error.failure_class == "user" or error.code == "outcome_unknown":
        return error
    text = (
        f"{error.message} ({error.code}); an earlier statement of the run has written: a repetition would do it again"
    )
    return TaskError(error.failure_class, "partly_written", text, position=error.position, trace=error.trace)
