"""Where a project's tables live, as far as the run must know beside dbt: one class per adapter."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

Json = dict[str, Any]


@dataclass(frozen=True)
class Written:
    """A version of a table. name: ``catalog.schema.table``; query_id: of the engine's query that made it."""

    name: str
    format: str
    uri: str
    version: int
    query_id: str


class Warehouse(Protocol):
    """``private``: nobody but this run ever sees it."""

    @property
    def private(self) -> bool:
        """See the class's text."""

    @property
    def failure(self) -> Exception | None:
        """The first error of our own part, which dbt would bury in its own."""

    def profile(self) -> Json:
        """The output of profiles.yml. It holds no secret: dbt writes it down."""

    def begin(self, manifest: Any) -> None:
        """Before the first query of the command; TaskError for what the project wants and the run has not."""

    def interrupt(self) -> None:
        """End what runs now. Called again and again, from another thread."""

    def close(self) -> None:
        """Let go of dbt's connections."""

    def release(self) -> None:
        """The run is over: let go of the engine."""

    def count_rows(self, nodes: Iterable[Any]) -> dict[str, int]:
        """unique_id -> rows, for nodes that are tables, where dbt does not tell."""

    def written(self, results: Iterable[Any]) -> Iterable[Written]:
        """The versions of tables that these nodes made, as far as they are to be recorded as artifacts."""

    def sample(self, sql: str, limit: int) -> tuple[list[Json], list[list[Any]]]:
        """(columns ``{name, type}``, at most ``limit`` rows) of a query; values as JSON has them."""

    def stream(self, node: Any) -> AbstractContextManager[Any]:
        """A model's rows, in the table's order, as a pyarrow RecordBatchReader."""

    def failure_of(self, message: str) -> tuple[str, str] | None:
        """(failure class, code) of a node's message in the engine's own words; None when it holds none."""
