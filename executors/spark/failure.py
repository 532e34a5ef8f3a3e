"""From Spark's errors to the run's: class, code, message, position. Pure.

Codes are the names of Spark's error classes in lower case (``table_or_view_not_found``), and of ours:
``spark_unreachable`` (nothing was sent), ``credentials_refused``, ``concurrent_write`` (another's commit came first:
this one is not there), ``out_of_memory``, ``connection_lost``, ``outcome_unknown``, ``partly_written``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from executors.runtime import sql_failure
from executors.runtime.failures import TaskError
from executors.runtime.sql_script import line_and_column
from executors.spark.binding import Bound
from executors.spark.config import SparkConfig, position

# Classes of SQLSTATE (their first two characters) that say what the author must mend.
USERS = frozenset({"07", "0A", "20", "21", "22", "23", "2B", "38", "39", "42", "46", "P0"})
CLASSES = {"08": "external", "40": "external", "58": "external", "KD": "external", "53": "resources", "54": "resources"}
# What the text says of causes that have no error class of Spark's own: the first that fits.
CAUSES = (
    (re.compile(r"OutOfMemoryError|Java heap space|GC overhead limit"), "resources", "out_of_memory"),
    (re.compile(r"spark\.driver\.maxResultSize"), "resources", "result_too_large"),
    (re.compile(r"No space left on device"), "resources", "disk_full"),
    (re.compile(r"DELTA_CONCURRENT_|DELTA_METADATA_CHANGED|DELTA_PROTOCOL_CHANGED"), "external", "concurrent_write"),
    (re.compile(r"Concurrent(Append|DeleteRead|DeleteDelete|Transaction|Write|Modification)Exception"), "external",
     "concurrent_write"),
    (re.compile(r"iceberg\.exceptions\.(CommitFailedException|ValidationException)"), "external", "concurrent_write"),
    (re.compile(r"Status Code: 40[13]|AccessDenied|InvalidAccessKeyId|SignatureDoesNotMatch|NotAuthorizedException"),
     "external", "credentials_refused"),
    (re.compile(r"Connection refused|UnknownHostException|SocketTimeoutException|ConnectException|NoRouteToHost"),
     "external", "store_unreachable"),
)  # fmt: skip
UNKNOWN_COMMIT = re.compile(r"CommitStateUnknownException")
STOPPED = re.compile(r"stopped SparkContext|SparkContext (has been|was) (shut down|stopped)|SparkContext was shut down")
GONE = ("INVALID_HANDLE", "RETRIES_EXCEEDED")
REFUSED = ("UNAUTHENTICATED", "PERMISSION_DENIED")
AWAY = ("UNAVAILABLE", "DEADLINE_EXCEEDED", "ABORTED")
PLACES = (re.compile(r"\(line (\d+), pos (\d+)\)"), re.compile(r"; line (\d+) pos (\d+)"))
TRACE = "\n\nJVM stacktrace:"
# The plan of an analysis stands after its message, the statement itself with a mark after that of a parser.
SHOWN = re.compile(r"\A(.*?SQLSTATE: \w{5})", re.DOTALL)


@dataclass(frozen=True)
class Scene:
    """What the run knew when a statement failed. number: from 1; sent: it reached Spark; wrote: an earlier statement
    of this attempt wrote; died: why the run's own driver ended, if it did; bound: the statement as it was sent."""

    config: SparkConfig
    number: int
    remote: str
    sent: bool = True
    wrote: bool = False
    died: TaskError | None = None
    bound: Bound | None = None

    @property
    def writes(self) -> bool:
        return self.config.statements[self.number - 1].kind == "write"

    @property
    def head(self) -> str:
        many = len(self.config.statements)
        return f"statement {self.number} of {many}: " if many > 1 else ""

    def place(self) -> dict[str, Any]:
        return position(self.config, self.number)


@dataclass(frozen=True)
class Told:
    """What an exception of the client says: condition (its error class), state (SQLSTATE), status (of gRPC)."""

    text: str
    trace: str
    condition: str = ""
    state: str = ""
    status: str = ""
    at: int | None = None

    @property
    def gone(self) -> bool:
        """Whether the server, or the session there, is no more."""
        return (
            self.condition.startswith(GONE)
            or (self.status in AWAY and not self.state)
            or STOPPED.search(self.text + self.trace) is not None
        )


def told_by(error: Exception) -> Told:
    text, _, trace = spoken(error).strip().partition(TRACE)
    status = getattr(error, "getGrpcStatusCode", lambda: None)() or getattr(error, "code", lambda: None)()
    return Told(
        text.strip(),
        str(getattr(error, "_stacktrace", None) or trace),
        str(getattr(error, "getCondition", lambda: None)() or ""),
        str(getattr(error, "getSqlState", lambda: None)() or ""),
        str(getattr(status, "name", "")),
        started_at(error),
    )


def spoken(error: Exception) -> str:
    """Spark's text. Of a connection that broke, gRPC's details: as text its error is an object's, of several lines."""
    details = getattr(error, "details", None)
    return str((details() if callable(details) else None) or error)


def started_at(error: Exception) -> int | None:
    """The offset in the statement of what is wrong with it, where Spark tells it."""
    for context in getattr(error, "getQueryContext", lambda: ())() or ():
        if str(context.contextType()).endswith("SQL"):
            return int(context.startIndex())
    return None


def failure_of(error: Exception, scene: Scene) -> TaskError:
    """The run's error for what a statement raised."""
    told = told_by(error)
    if scene.died is not None and told.gone:
        found = scene.died
    elif told.status in REFUSED:
        text = f"Spark at {scene.remote} refused the executor's token; check OPS_SPARK_TOKEN_FILE"
        found = TaskError("external", "credentials_refused", text)
    elif told.gone and not scene.sent:
        text = f"{scene.head}Spark at {scene.remote} cannot be reached; is it up, and is OPS_SPARK_REMOTE right?"
        found = TaskError("external", "spark_unreachable", f"{text} ({told.text[:300]})", position=scene.place())
    elif told.gone:
        found = lost(f"Spark at {scene.remote} is gone, or was started anew: {told.text[:300]}", scene)
    elif UNKNOWN_COMMIT.search(told.text + told.trace):
        found = lost(f"the catalog did not say whether it took the commit: {shown(told)}", scene)
    else:
        found = of_statement(told, scene)
    return sql_failure.held(found, scene.wrote)


def lost(what: str, scene: Scene) -> TaskError:
    return sql_failure.lost(what, scene.place(), head=scene.head, writes=scene.writes)


def of_statement(told: Told, scene: Scene) -> TaskError:
    """A statement that Spark itself ended: what it would have written is not there."""
    class_, code = classified(told)
    place = placed(told, scene)
    return TaskError(class_, code, scene.head + shown(told), position=place, trace=told.trace or told.text)


def classified(told: Told) -> tuple[str, str]:
    """(failure class, code)."""
    name = told.condition.partition(".")[0].lower()
    if told.state[:2] in USERS:
        return "user", name or "spark_refused"
    for pattern, class_, code in CAUSES:
        if pattern.search(told.text) or pattern.search(told.trace):
            return class_, code
    return CLASSES.get(told.state[:2], "internal"), name or "spark_failed"


def placed(told: Told, scene: Scene) -> dict[str, Any]:
    """Where in the script."""
    written = scene.config.statements[scene.number - 1].sql
    bound = scene.bound or Bound(written)
    at = told.at if told.at is not None else offset_told(told.text, bound.sql)
    if at is None or not 0 <= at <= len(bound.sql):
        return scene.place()
    return position(scene.config, scene.number, *line_and_column(written, bound.written_at(at)))


def offset_told(text: str, sql: str) -> int | None:
    """``line 2 pos 5`` of a message as an offset in the statement as sent."""
    for pattern in PLACES:
        if found := pattern.search(text):
            lines = sql.splitlines(keepends=True)[: int(found[1]) - 1]
            return sum(map(len, lines)) + int(found[2])
    return None


def shown(told: Told) -> str:
    """The message without plan and trace."""
    found = SHOWN.match(told.text)
    return (found[1] if found else told.text)[:3000]
