"""The run's table inputs as temporary views of its session, each by its name and at its pinned version."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from executors.runtime.failures import TaskError
from executors.spark.failure import classified, shown, told_by
from executors.spark.session import FAILURES

DELTA = "delta"


def show(do: Callable[[str], Any], job: Mapping[str, Any]) -> None:
    """Make the views. do: executes a statement. An Iceberg table has none: Spark finds it by its name in a catalog,
    which an address does not tell; SQL reads such an input there, ``VERSION AS OF :NAME_version``."""
    for name, sql in views(job.get("inputs") or []):
        try:
            do(sql)
        except FAILURES as error:
            raise unreadable(name, error) from error


def unreadable(name: str, error: Exception) -> TaskError:
    """The error of a run that cannot have an input: its author's where Spark reads the statement and not the table."""
    told = told_by(error)
    class_, code = ("external", "connection_lost") if told.gone else classified(told)
    return TaskError(class_, code, f"input {name!r} cannot be read: {shown(told)}", trace=told.trace or None)


def views(inputs: Iterable[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """(input, statement) for each Delta table among the inputs."""
    found = [item for item in inputs if item.get("format") == DELTA and item.get("version") is not None]
    return [(str(item["name"]), view(item)) for item in found]


def view(item: Mapping[str, Any]) -> str:
    table = f"delta.{quoted(str(item['uri']))} VERSION AS OF {int(item['version'])}"
    return f"CREATE OR REPLACE TEMPORARY VIEW {quoted(str(item['name']))} AS SELECT * FROM {table}"  # noqa: S608


def quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"
