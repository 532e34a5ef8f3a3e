"""The rows that a failed test found: the compiled test asked once more, as nothing of it stays in the warehouse."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator
from typing import Any

from executors.dbt.outcome import TESTS
from executors.dbt.warehouse import Json, Warehouse

ROWS = 1000
MOST_BYTES = 512 * 1024
SHOWN_ROWS = 5
SHOWN_BYTES = 2048
MOST_TESTS = 100
FOLDER = "failing_rows"


def failing_rows(results: Iterable[Any], warehouse: Warehouse) -> Iterator[Json]:
    """For each test that found rows: ``{unique_id, artifact, columns, rows, row_count, truncated, test, file}``.

    At most ``ROWS`` rows, or ``MOST_BYTES``, of each of the first ``MOST_TESTS`` tests. A test whose rows cannot be had
    has ``error`` instead: it failed all the same, and its own message says why.
    """
    found = [result for result in results if has_rows(result)]
    for result in found[:MOST_TESTS]:
        yield rows_of(result, warehouse)


def has_rows(result: Any) -> bool:
    """A unit test compares, it finds no rows; its difference is in its message."""
    node = result.node
    return node.resource_type in TESTS and bool(result.failures) and bool(getattr(node, "compiled_code", None))


def rows_of(result: Any, warehouse: Warehouse) -> Json:
    node = result.node
    record = {"unique_id": node.unique_id, "test": node.name, "file": node.original_file_path}
    record["artifact"] = f"{FOLDER}/{node.name[:200]}.json"
    try:
        columns, rows = warehouse.sample(limited(node.compiled_code), ROWS)
    except Exception as error:  # of any engine's client; the test's own outcome stands
        return {**record, "error": f"{type(error).__name__}: {error}"[:500]}
    kept = within(rows, MOST_BYTES)
    truncated = len(kept) < len(rows) or len(rows) >= ROWS
    return {**record, "columns": columns, "rows": kept, "row_count": result.failures, "truncated": truncated}


def within(rows: list[list[Any]], most: int) -> list[list[Any]]:
    """The first rows, as far as so many bytes of JSON go."""
    sizes = itertools.accumulate(len(json.dumps(row).encode()) for row in rows)
    return [row for row, size in zip(rows, sizes, strict=True) if size <= most]


def limited(sql: str) -> str:
    """The closing bracket on a line of its own: the test may end in a comment."""
    return f"select * from (\n{sql.strip().rstrip(';')}\n) failing_rows limit {ROWS}"  # noqa: S608


def document(record: Json) -> str:
    """The artifact's text."""
    return json.dumps({name: value for name, value in record.items() if name != "artifact"}, indent=1)


def shown(record: Json) -> Json:
    """What stands in the node's record: the first rows, and where the others are."""
    if "error" in record:
        return {"error": record["error"]}
    return {
        "columns": [column["name"] for column in record["columns"]],
        "rows": within(record["rows"][:SHOWN_ROWS], SHOWN_BYTES),
        "artifact": record["artifact"],
    }
