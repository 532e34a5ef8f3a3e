"""The run's table inputs as temporary views of its session, each by its name and at its pinned version."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from executors.runtime.failures import TaskError
from executors.spark.failure import Told, classified, shown, told_by
from executors.spark.session import FAILURES
from executors.spark.statements import Statement

Json = Mapping[str, Any]
DELTA = "delta"
NOT_FOUND = "TABLE_OR_VIEW_NOT_FOUND"


def show(do: Callable[[str], Any], inputs: Iterable[Mapping[str, Any]]) -> dict[str, TaskError]:
    """Make the views; of those that Spark cannot read, the errors by the input's name. TaskError where Spark is gone.

    do: executes a statement. An Iceberg table has no view: Spark finds it by its name in a catalog, which an address
    does not tell; SQL reads such an input there, ``VERSION AS OF :NAME_version``.
    """
    unread = {}
    for name, sql in views(inputs):
        try:
            do(sql)
        except FAILURES as error:
            unread[name] = unreadable(name, error)
            if told_by(error).gone:
                raise unread[name] from error
    return unread


def unreadable(name: str, error: Exception) -> TaskError:
    """The error of a run that cannot have an input: its author's where Spark reads the statement and not the table."""
    told = told_by(error)
    class_, code = ("external", "connection_lost") if told.gone else classified(told)
    return TaskError(class_, code, f"input {name!r} cannot be read: {shown(told)}", trace=told.trace or None)


def named(inputs: Iterable[Json], statements: Iterable[Statement], params: Json) -> list[Json]:
    """The inputs whose names stand in a script, outside of its comments, or in a param: SQL may make names of texts
    (``IDENTIFIER(:table)``, ``EXECUTE IMMEDIATE``)."""
    tokens = (token.text for statement in statements for token in statement.part.tokens if token.kind != "space")
    script = " ".join((*tokens, json.dumps(params, ensure_ascii=False))).lower()
    return [item for item in inputs if re.search(rf"(?<!\w){re.escape(str(item['name']).lower())}(?!\w)", script)]


def missed(told: Told, unread: Mapping[str, TaskError]) -> TaskError | None:
    """The error of the input for want of which Spark found no table; None when it is another table."""
    if not told.condition.startswith(NOT_FOUND):
        return None
    return next((error for name, error in unread.items() if quoted(name).lower() in told.text.lower()), None)


def views(inputs: Iterable[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """(input, statement) for each Delta table among the inputs."""
    found = [item for item in inputs if item.get("format") == DELTA and item.get("version") is not None]
    return [(str(item["name"]), view(item)) for item in found]


def view(item: Mapping[str, Any]) -> str:
    table = f"delta.{quoted(str(item['uri']))} VERSION AS OF {int(item['version'])}"
    return f"CREATE OR REPLACE TEMPORARY VIEW {quoted(str(item['name']))} AS SELECT * FROM {table}"  # noqa: S608


def quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"
