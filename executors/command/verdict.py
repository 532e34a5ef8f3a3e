"""From a program's exit to the error of its run. Pure."""

from __future__ import annotations

import signal
from collections.abc import Collection

from executors.runtime.failures import TaskError

SHOWN_LINES = 5
SHOWN_CHARACTERS = 1500
SHELLS_SIGNAL = 128  # what shells and container engines add to the number of a signal
KILLED = SHELLS_SIGNAL + signal.SIGKILL
NOT_STARTED = {126: "may not be executed", 127: "was not found"}
ENGINE_FAILED = 125


def failure(
    program: str, code: int, expected: Collection[int], stderr: str, *, oom: bool, image: str | None = None
) -> TaskError | None:
    """None for success. code: as subprocess has it (negative: a signal). oom: the system killed for want of memory."""
    if code in expected:
        return None
    trace = stderr or None
    if oom and code in (-signal.SIGKILL, KILLED):
        text = f"{program} was killed because memory ran out; give the run more (caps.memory_bytes), or less to do"
        return TaskError("resources", "out_of_memory", text, trace=trace)
    if code < 0:
        return by_signal(program, -code, trace, stderr)
    if image and (found := not_started(program, code, image, stderr)):
        return found
    hint = f" ({signal_name(code - SHELLS_SIGNAL)} ended a program below it)" if is_signal(code - SHELLS_SIGNAL) else ""
    wanted = "" if set(expected) == {0} else f", expected {', '.join(map(str, sorted(expected)))}"
    return TaskError(
        "user", "exit_code", f"{program} ended with exit code {code}{wanted}{hint}{last(stderr)}", trace=trace
    )


def by_signal(program: str, number: int, trace: str | None, stderr: str) -> TaskError:
    """Ended by a signal of its own making, or of somebody else's."""
    name = signal_name(number)
    if number == signal.SIGKILL:
        text = f"{program} was killed by {name} from outside (an operator, or the system when memory ran out)"
        return TaskError("internal", "killed_by_signal", text + last(stderr), trace=trace)
    return TaskError("user", "killed_by_signal", f"{program} was ended by signal {name}{last(stderr)}", trace=trace)


def not_started(program: str, code: int, image: str, stderr: str) -> TaskError | None:
    """What the container engine says by exit codes of its own."""
    if code == ENGINE_FAILED:
        text = f"the container of image {image} could not be started{last(stderr)}"
        return TaskError("external", "container_failed", text, trace=stderr or None)
    if code in NOT_STARTED:
        text = f"{program} {NOT_STARTED[code]} in image {image}{last(stderr)}"
        return TaskError("user", "program_missing", text, trace=stderr or None)
    return None


def is_signal(number: int) -> bool:
    return number in set(signal.Signals)


def signal_name(number: int) -> str:
    return signal.Signals(number).name if is_signal(number) else str(number)


def last(stderr: str) -> str:
    """The last lines that it wrote to stderr, below a message."""
    lines = [line for line in stderr.splitlines() if line.strip()][-SHOWN_LINES:]
    shown = "\n".join(lines)[-SHOWN_CHARACTERS:]
    return f"; the end of its stderr:\n{shown}" if shown else "; it wrote nothing to stderr"
