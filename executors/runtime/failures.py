"""From an exception to the contract's error record: class, code, message, trace, position.

Shapes: ``{"class": "user|external|internal|resources", "code": str, "message": str, "trace": str | None,
"position": {"file": str, "line": int, "function": str} | None}``.
"""

from __future__ import annotations

import errno
import shutil
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from executors.runtime.text import clean_text, shorten

TRACE_LIMIT = 20_000
MESSAGE_LIMIT = 4_000
RUNTIME_DIR = Path(__file__).resolve().parent.parent
NETWORK_ERRNOS = frozenset(
    {
        errno.ECONNABORTED,
        errno.ECONNREFUSED,
        errno.ECONNRESET,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.ENETDOWN,
        errno.ENETUNREACH,
        errno.EPIPE,
        errno.ETIMEDOUT,
    }
)
DISK_FULL_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT})
FULL_ERRNOS = DISK_FULL_ERRNOS | frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})
# By name, so that the classification loads none of these libraries.
NETWORK_PACKAGES = frozenset({"botocore", "boto3", "urllib3", "requests", "httpx", "httpcore", "aiohttp", "grpc"})
# delta-rs and pyarrow raise a plain OSError for a store out of reach; the text is all there is.
NETWORK_WORDS = ("error sending request", "generic s3 error", "connection refused", "dns error", "when resolving host")


class TaskError(Exception):
    """Raise it to fail a run with a class and a code of your own.

    ``failure_class`` is one of user, external, internal, resources; ``trace`` and ``position`` replace what the
    traceback would give (a notebook's cell, a dbt model).
    """

    def __init__(
        self,
        failure_class: str,
        code: str,
        message: str,
        *,
        trace: str | None = None,
        position: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.failure_class, self.code, self.message = failure_class, code, message
        self.trace, self.position = trace, position


def not_installed(what: str, error: ModuleNotFoundError) -> TaskError:
    """What this installation cannot do for want of a package: whoever keeps it can mend that, the user cannot."""
    name = (error.name or "").partition(".")[0] or str(error)
    text = f"this installation {what}: it lacks the package {name}; install it beside it (pip install {name})"
    return TaskError("internal", "format_not_installed", text)


def error_record(
    failure_class: str, code: str, message: str, trace: str | None = None, position: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Build the contract's error record with bounded, clean texts."""
    return {
        "class": failure_class,
        "code": code,
        "message": clean_text(message)[:MESSAGE_LIMIT] or code,
        "trace": shorten(clean_text(trace), TRACE_LIMIT) if trace else None,
        "position": dict(position) if position else None,
    }


def describe(error: BaseException, user_dir: Path | None = None) -> dict[str, Any]:
    """Turn an exception of user code into an error record; frames of the runtime are left out of its trace."""
    frames = user_frames(error, user_dir)
    trace = "".join([*traceback.format_list(frames), *traceback.format_exception_only(error)])
    position = position_of(frames, user_dir)
    if isinstance(error, TaskError):
        return error_record(
            error.failure_class, error.code, error.message, error.trace or trace, error.position or position
        )
    failure_class, code = classify(error)
    if isinstance(error, SyntaxError) and error.filename:
        position = {"file": relative(error.filename, user_dir), "line": error.lineno or 0, "function": "<module>"}
    message = message_of(error)
    if code == "disk_full" and not isinstance(error, TaskError):
        message += f"; {full_disk(user_dir)}; make room there, or write less"
    return error_record(failure_class, code, message, with_causes(error, trace), position)


def with_place(error: OSError, folder: Path) -> str:
    """The error's text; for a full disk also which one, as a write tells no path."""
    return f"{error} ({full_disk(folder)})" if error.errno in DISK_FULL_ERRNOS else str(error)


def full_disk(folder: Path | None) -> str:
    """Which disk is full: the one of ``folder``, and how many bytes are free on it."""
    place = folder or Path.cwd()
    found = next(path for path in (place, *place.parents) if path.exists())
    return f"the disk of {place} is full, {shutil.disk_usage(found).free:,} bytes are free"


def message_of(error: BaseException) -> str:
    text = str(error).strip()
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def with_causes(error: BaseException, trace: str) -> str:
    """Name the chain of causes above the trace, one line each."""
    lines: list[str] = []
    cause = error.__cause__
    while cause is not None and len(lines) < 5:
        lines.append(f"caused by {message_of(cause)}\n")
        cause = cause.__cause__
    return trace + "".join(lines)


def classify(error: BaseException) -> tuple[str, str]:
    """Say (failure class, code) of an exception, most telling member of its chain of causes first."""
    seen: BaseException | None = error
    for _ in range(5):
        if seen is None:
            break
        if verdict := _classify_one(seen):
            return verdict
        seen = seen.__cause__
    return "user", _snake(type(error).__name__)


def _classify_one(error: BaseException) -> tuple[str, str] | None:
    if isinstance(error, TaskError):
        return error.failure_class, error.code
    if isinstance(error, MemoryError):
        return "resources", "out_of_memory"
    if isinstance(error, OSError) and error.errno in FULL_ERRNOS:
        return "resources", "disk_full" if error.errno in DISK_FULL_ERRNOS else "system_limit"
    if is_network(error):
        return "external", "connection_failed"
    return None


def is_network(error: BaseException) -> bool:
    """Tell whether an exception says that another system was out of reach."""
    if isinstance(error, ConnectionError):
        return True
    if isinstance(error, OSError) and (error.errno in NETWORK_ERRNOS or type(error).__name__ in {"gaierror", "herror"}):
        return True
    if any(base.__module__.partition(".")[0] in NETWORK_PACKAGES for base in type(error).__mro__):
        return True
    return isinstance(error, OSError | RuntimeError) and any(word in str(error).lower() for word in NETWORK_WORDS)


def user_frames(error: BaseException, user_dir: Path | None) -> list[traceback.FrameSummary]:
    """Frames from the first one of the user's on; without any, all that are not the runtime's."""
    frames = list(traceback.extract_tb(error.__traceback__))
    for index, frame in enumerate(frames):
        if user_dir and is_inside(frame.filename, user_dir):
            return [shown(frame, user_dir) for frame in frames[index:]]
    return [frame for frame in frames if not is_inside(frame.filename, RUNTIME_DIR) and frame.filename[:1] != "<"]


def position_of(frames: list[traceback.FrameSummary], user_dir: Path | None) -> dict[str, Any] | None:
    """The last frame in the user's own files, where the reader must look."""
    own = [frame for frame in frames if not Path(frame.filename).is_absolute()] if user_dir else frames
    if not own:
        return None
    return {"file": own[-1].filename, "line": own[-1].lineno or 0, "function": own[-1].name}


def shown(frame: traceback.FrameSummary, user_dir: Path) -> traceback.FrameSummary:
    name = relative(frame.filename, user_dir)
    return traceback.FrameSummary(name, frame.lineno, frame.name, line=frame.line, lookup_line=False)


def relative(name: str, user_dir: Path | None) -> str:
    if user_dir and is_inside(name, user_dir):
        return str(Path(name).resolve().relative_to(user_dir.resolve()))
    return name


def is_inside(name: str, folder: Path) -> bool:
    return Path(name).resolve().is_relative_to(folder.resolve())


def _snake(name: str) -> str:
    return "".join(
        f"_{c.lower()}" if c.isupper() and i and not name[i - 1].isupper() else c.lower() for i, c in enumerate(name)
    )
