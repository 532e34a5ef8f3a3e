"""From Trino's error taxonomy to the run's error: class, code, message, position. Pure.

The codes are Trino's names in lower case (``table_not_found``), and of ours: ``trino_unreachable`` (nothing was sent),
``credentials_refused``, ``connection_lost`` (a read that can be repeated), ``outcome_unknown`` (a write that may have
happened) and ``partly_written`` (an earlier statement wrote): the last two are not repeated by themselves.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from requests.exceptions import RequestException
from trino.exceptions import HttpError, TrinoQueryError

from executors.runtime import sql_failure
from executors.runtime.failures import TaskError
from executors.trino.config import TrinoConfig, position
from executors.trino.engine import Unsent
from executors.trino.wire import plain

CLASSES = {
    "USER_ERROR": "user",
    "EXTERNAL": "external",
    "INTERNAL_ERROR": "internal",
    "INSUFFICIENT_RESOURCES": "resources",
}
# Where the taxonomy says what a person meant, and the run needs what a repetition does.
OTHERWISE = {"TRANSACTION_CONFLICT": "external", "SERVER_STARTING_UP": "external", "QUERY_QUEUE_FULL": "resources"}
CAPS = {
    "EXCEEDED_TIME_LIMIT": "wall_seconds",
    "EXCEEDED_CPU_LIMIT": "cpu_seconds",
    "EXCEEDED_GLOBAL_MEMORY_LIMIT": "memory_bytes",
    "EXCEEDED_LOCAL_MEMORY_LIMIT": "memory_bytes",
    "EXCEEDED_SCAN_LIMIT": "scanned_bytes",
}
# A prepared statement that does not parse is refused as a bad header; the cause stands in the answer's text.
BAD_HEADER = re.compile(r"Invalid X-Trino-Prepared-Statement header: line (\d+):(\d+): (.*)", re.DOTALL)
STATUS = re.compile(r"error (\d{3})")
SIZE = re.compile(r"limit of ([\d.]+)\s*([kKMGTP]?)B", re.IGNORECASE)
UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40, "P": 2**50}
# A catalog over REST has none where its server has no such endpoint: Trino takes that for a defect of its own.
NO_VIEWS = re.compile(r"does not support endpoint: POST \S*/views|does not support creating views")
VIEWS_UNSUPPORTED = "views_unsupported"
LONGEST_CHAIN = 10
LONGEST_SHOWN = 300
MARKUP = re.compile(r"<(style|head).*?</\1>|<[^>]*>", re.DOTALL)
# What it says between opening its port and knowing how to log anybody in.
STARTING = "authenticators were not loaded"
REFUSED = (401, 403)
LINE = re.compile(r"\Aline \d+:\d+: ")
GONE = (404, 410)
IMMEDIATE = len("EXECUTE IMMEDIATE '")


@dataclass(frozen=True)
class Scene:
    """What the run knew when a statement failed. number: from 1; sent: it reached Trino; wrote: an earlier statement
    of this attempt wrote; shifted: it travelled inside EXECUTE IMMEDIATE."""

    config: TrinoConfig
    number: int
    url: str
    sent: bool = True
    wrote: bool = False
    shifted: bool = False

    @property
    def writes(self) -> bool:
        return self.config.statements[self.number - 1].kind == "write"

    @property
    def head(self) -> str:
        many = len(self.config.statements)
        return f"statement {self.number} of {many}: " if many > 1 else ""


def failure_of(error: Exception, scene: Scene) -> TaskError:
    """The run's error for what a statement raised."""
    if isinstance(error, TrinoQueryError):
        found = of_query(error, scene)
    elif isinstance(error, Unsent):
        text = f"{scene.head}Trino at {scene.url} cannot be reached; is it up, and is OPS_TRINO_URL right? ({error})"
        found = TaskError("external", "trino_unreachable", text, position=position(scene.config, scene.number))
    elif isinstance(error, HttpError):
        found = of_answer(str(error), scene)
    else:
        told = plain(error) if isinstance(error, RequestException) else str(error)
        found = lost(f"the connection to Trino at {scene.url} broke: {told}", scene)
    return sql_failure.held(found, scene.wrote)


def of_query(error: TrinoQueryError, scene: Scene) -> TaskError:
    """A query that Trino itself ended: what it wrote is not there."""
    name, kind = str(error.error_name or "UNKNOWN"), str(error.error_type or "INTERNAL_ERROR")
    where = error.error_location
    place = placed(scene, *where, syntax=name == "SYNTAX_ERROR") if where else position(scene.config, scene.number)
    # Trino counts from the statement's start, the reader from the script's.
    text = scene.head + LINE.sub(f"line {place['line']}:{place['column']}: ", error.message)
    if error.query_id:
        place = {**place, "query_id": error.query_id}
    class_ = OTHERWISE.get(name) or CLASSES.get(kind, "internal")
    if NO_VIEWS.search(error.message):
        what = f"{scene.head}this catalog has no views: create a table ({error.message})"
        return TaskError("user", VIEWS_UNSUPPORTED, what, position=place)
    causes = causes_of(error.failure_info)
    if class_ != "user" and len(causes) > 1:
        text = f"{text} ({causes[-1]})"
    return TaskError(class_, name.lower(), text, position=place, trace="\ncaused by ".join(causes) or error.message)


def causes_of(info: Mapping[str, Any] | None) -> list[str]:
    """``type: message`` of Trino's exception and of what caused it, outermost first."""
    found: list[str] = []
    while info and len(found) < LONGEST_CHAIN:
        found.append(f"{info.get('type', 'exception')}: {info.get('message') or ''}".strip())
        info = info.get("cause")
    return found


def placed(scene: Scene, line: int, column: int, *, syntax: bool = False) -> dict[str, Any]:
    """A position of Trino in the script. Inside EXECUTE IMMEDIATE it counts its own words on the first line, and those
    of a syntax error on every line."""
    if scene.shifted and (line == 1 or syntax):
        column = max(1, column - IMMEDIATE)
    return position(scene.config, scene.number, line, column)


def of_answer(text: str, scene: Scene) -> TaskError:
    """An answer that is no answer of the protocol."""
    if found := BAD_HEADER.search(text):
        place = position(scene.config, scene.number, int(found[1]), int(found[2]))
        return TaskError("user", "syntax_error", scene.head + found[3].strip().strip("'\"")[:2000], position=place)
    status = int(match[1]) if (match := STATUS.search(text)) else 0
    if status in REFUSED:
        what = f"Trino at {scene.url} refused the executor's credentials ({status})"
        return TaskError("external", "credentials_refused", f"{what}; check its user and password file")
    if status in GONE:
        return lost(f"Trino at {scene.url} no longer knows the query: it was started anew", scene)
    if not scene.sent and STARTING in text:
        what = f"{scene.head}Trino at {scene.url} is still starting; it takes statements in a moment"
        return TaskError("external", "trino_unreachable", what, position=position(scene.config, scene.number))
    if not scene.sent:
        return TaskError("external", "trino_unavailable", f"Trino at {scene.url} takes no statement now: {shown(text)}")
    return lost(f"Trino at {scene.url} answered {shown(text)}", scene)


def shown(text: str) -> str:
    """``error 500: b'java.lang.…: no\\n\\tat com…'``, as the client has it, for people: no bytes, no stack, no page."""
    head, _, quoted = text.partition(": ")
    try:
        body = ast.literal_eval(quoted) if quoted[:2] in ("b'", 'b"') else quoted
    except (ValueError, SyntaxError):
        body = quoted
    said = body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body)
    lines = MARKUP.sub("", said).strip().splitlines()
    return f"{head}: {lines[0].strip()}"[:LONGEST_SHOWN] if lines else head


def lost(what: str, scene: Scene) -> TaskError:
    return sql_failure.lost(what, position(scene.config, scene.number), head=scene.head, writes=scene.writes)


def breached_cap(error: TrinoQueryError, caps: Mapping[str, Any]) -> str | None:
    """The run's cap that Trino enforced, None when the limit was Trino's own."""
    cap = CAPS.get(str(error.error_name))
    limit = caps.get(cap) if cap else None
    if limit is None:
        return None
    if cap == "memory_bytes" and (size := SIZE.search(error.message)):
        own = float(size[1]) * UNITS[size[2].upper()]
        return cap if own >= 0.9 * float(limit) else None
    return cap
