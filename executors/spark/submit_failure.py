"""From the exit of spark-submit and the end of what it wrote to the run's error. Pure.

Codes: those of Spark's error classes (see :mod:`executors.spark.failure`), the exception's name where the author's code
raised it, and ``exit_code``, ``class_missing``, ``master_unreachable``, ``submit_refused``, ``out_of_memory``,
``outcome_unknown``.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from executors.runtime.failures import TaskError
from executors.spark.driver import OUT_OF_MEMORY
from executors.spark.failure import SHOWN, Told, classified

SHELLS_SIGNAL = 128
KILLED = (-signal.SIGKILL, SHELLS_SIGNAL + signal.SIGKILL)
SHOWN_CHARACTERS = 3000
NO_MASTER = "the master cannot be reached; is it up, and is OPS_SPARK_MASTER right?"
# A driver that was registered never says this. Its status page may be there for a moment all the same, while one thread
# of it gives up and another one goes on to set up.
NEVER_REGISTERED = (
    (re.compile(r"All masters are unresponsive! Giving up"), "external", "master_unreachable", NO_MASTER),
)
# What spark-submit says before the author's code has begun: (what, class, code, what to do).
BEFORE = (
    (re.compile(r"Error: Failed to load class (\S+?)\.?\s*$", re.MULTILINE), "user", "class_missing",
     "the jar has no class {}; correct config.submit.class"),
    (re.compile(r"(No main class set in JAR)", re.MULTILINE), "user", "class_missing",
     "the jar names no main class; set config.submit.class"),
    (re.compile(r"Could not parse Master URL|Connecting to ResourceManager"
                r"|(?:Failed|Unable) to connect to master|Failed to create (?:a )?[Kk]ubernetes client"),
     "external", "master_unreachable", NO_MASTER),
    (re.compile(r"^(?:Error: |Exception in thread \"main\" org\.apache\.spark\.SparkException: )"
                r"((?:Unrecognized option|Master must|When running with master|Cluster deploy mode).*)$", re.MULTILINE),
     "external", "submit_refused", "spark-submit refused it: {}"),
)  # fmt: skip
JAVA = re.compile(r'^Exception in thread "[^"]*" ([\w.$]+)(?:: (.*))?$', re.MULTILINE)
PYTHON = re.compile(r"^Traceback \(most recent call last\):$", re.MULTILINE)
PYTHON_FRAME = re.compile(r'^  File "([^"]+)", line (\d+), in (.+)$', re.MULTILINE)
PYTHON_ERROR = re.compile(r"^([A-Za-z_][\w.]*)(?:: (.*))?$", re.MULTILINE)
JAVA_FRAME = re.compile(r"^\s+at ([\w.$]+)\.[\w$<>]+\(([\w$]+\.(?:java|scala|kt)):(\d+)\)$", re.MULTILINE)
NOT_THE_AUTHOR_S = ("org.apache.", "java.", "javax.", "jdk.", "sun.", "scala.", "io.delta.", "com.amazonaws.", "py4j.")
CONDITION = re.compile(r"\[([A-Z][A-Z0-9_.]+)\]")
STATE = re.compile(r"SQLSTATE: (\w{5})")
BY_SPARK = ("pyspark.", "org.apache.", "io.delta.", "py4j.")
MEMORY = re.compile(r"java\.lang\.OutOfMemoryError|^MemoryError\b", re.MULTILINE)


@dataclass(frozen=True)
class Raised:
    """The exception that ended the author's code: its full name, its text, its trace, and the place in his file."""

    name: str
    text: str
    trace: str
    position: dict[str, Any] | None


def failure(
    code: int, stdout: str, stderr: str, bundle: str, heap: int, *, oom: bool, started: bool, worked: bool
) -> TaskError | None:
    """None for success. code: as subprocess has it (negative: a signal); stdout, stderr: their ends (what Python writes
    to stderr Spark passes on to stdout); bundle: its folder; heap: of the driver, in bytes; oom: the system killed
    something for want of memory; started: its application was seen, so that what it says of its start is past;
    worked: so were jobs of it."""
    if code == 0:
        return None
    trace = (stderr or stdout)[-SHOWN_CHARACTERS:] or None
    if code in OUT_OF_MEMORY or (oom and code in KILLED):
        return held("resources", "out_of_memory", memory_text(heap), trace)
    said = (() if worked else NEVER_REGISTERED) + (() if started else BEFORE)
    if found := before(stderr, trace, said):
        return found
    if raised := java(stderr) or python(stdout, bundle) or python(stderr, bundle):
        return of(raised, heap)
    if code in KILLED:
        text = "the driver was killed from outside (an operator, or the system when memory ran out)"
        return held("internal", "driver_lost", text, trace)
    return TaskError("user", "exit_code", f"the application ended with exit code {shown(code)}", trace=trace)


def before(stderr: str, trace: str | None, said: Iterable[tuple[re.Pattern[str], str, str, str]]) -> TaskError | None:
    for pattern, class_, code, text in said:
        if found := pattern.search(stderr):
            return TaskError(class_, code, text.format(*found.groups()), trace=trace)
    return None


def memory_text(heap: int) -> str:
    return (
        f"the application ran out of memory (heap of its driver: {heap // 2**20} MiB); give it more (caps.memory_bytes)"
    )


def held(class_: str, code: str, text: str, trace: str | None, position: dict[str, Any] | None = None) -> TaskError:
    """What is not the author's fault might be tried again; but nobody knows what the application wrote before."""
    text = f"{text} ({code}); it may have written: look at its tables before you run it again"
    return TaskError(class_, "outcome_unknown", text, trace=trace, position=position)


def of(raised: Raised, heap: int) -> TaskError:
    """The class that Spark's error has, or the author's own."""
    class_, code = cause(raised)
    text = f"{raised.name.rpartition('.')[2]}: {raised.text}" if raised.text else raised.name
    if code == "out_of_memory":
        text = f"{memory_text(heap)}: {text}"
    if class_ == "user":
        return TaskError(class_, code, text[:SHOWN_CHARACTERS], trace=raised.trace, position=raised.position)
    return held(class_, code, text[:SHOWN_CHARACTERS], raised.trace, raised.position)


def cause(raised: Raised) -> tuple[str, str]:
    """(failure class, code)."""
    if MEMORY.search(f"{raised.name}: {raised.text}") or MEMORY.search(raised.trace):
        return "resources", "out_of_memory"
    condition, state = CONDITION.search(raised.text), STATE.search(raised.text)
    told = Told(raised.text, raised.trace, condition[1] if condition else "", state[1] if state else "", "", None)
    if raised.name.startswith(BY_SPARK) or condition:
        return classified(told)
    return "user", snake(raised.name.rpartition(".")[2])


def java(stderr: str) -> Raised | None:
    """The last exception that ended a thread of a jar."""
    found = [*JAVA.finditer(stderr)]
    if not found or found[-1][1] == "org.apache.spark.SparkUserAppException":  # Python's exit, told by Java
        return None
    trace = stderr[found[-1].start() :]
    text = (found[-1][2] or "") + trace[len(found[-1][0]) :].partition("\n\tat ")[0]
    return Raised(found[-1][1], message(text), trace, java_place(trace))


def message(text: str) -> str:
    """Of what begins with an exception's text, that text: to Spark's SQLSTATE, or its first line."""
    found = SHOWN.match(text)
    return (found[1] if found else text.partition("\n")[0]).strip()


def java_place(trace: str) -> dict[str, Any] | None:
    for frame in JAVA_FRAME.finditer(trace):
        if not frame[1].startswith(NOT_THE_AUTHOR_S):
            return {"file": frame[2], "line": int(frame[3]), "function": frame[1]}
    return None


def python(stderr: str, bundle: str) -> Raised | None:
    """The traceback that ended a script: the last one that has a place in the bundle, or the last one."""
    cuts = [*(each.start() for each in PYTHON.finditer(stderr)), len(stderr)]
    blocks = [stderr[start:end] for start, end in pairwise(cuts)]
    known = [each for each in (traceback(block, bundle) for block in reversed(blocks)) if each is not None]
    return next((each for each in known if each.position), known[0] if known else None)


def traceback(text: str, bundle: str) -> Raised | None:
    frames = [*PYTHON_FRAME.finditer(text)]
    if not frames or (error := PYTHON_ERROR.search(text, frames[-1].end())) is None:
        return None
    own = [*places(frames, bundle)]
    told = message((error[2] or "") + text[error.end() :])
    return Raised(error[1], told, text[:SHOWN_CHARACTERS], own[-1] if own else None)


def places(frames: list[re.Match[str]], bundle: str) -> Iterator[dict[str, Any]]:
    for frame in frames:
        if frame[1].startswith(f"{bundle}/"):
            yield {"file": frame[1].removeprefix(f"{bundle}/"), "line": int(frame[2]), "function": frame[3]}


def shown(code: int) -> str:
    if code < 0 and -code in set(signal.Signals):
        return f"{code} ({signal.Signals(-code).name})"
    return str(code)


def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
