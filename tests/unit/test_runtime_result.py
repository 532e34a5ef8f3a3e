"""What a task returns is the task's own affair: each way to get it wrong is a user's failure with a clear code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest

from contract.server.strict_json import parse
from executors.runtime.arrow_result import store
from executors.runtime.failures import TaskError
from executors.runtime.result import RESULT_LIMIT_LEVELS, arrived_result, as_result


def nested(levels: int, *, lists: bool = True) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value] if lists else {"k": value}
    return value


@pytest.mark.parametrize("levels", [RESULT_LIMIT_LEVELS + 1, 250, 5_000, 200_000])
@pytest.mark.parametrize("lists", [True, False], ids=["lists", "objects"])
def test_a_result_that_is_nested_too_deep_is_a_users_mistake(levels: int, lists: bool) -> None:
    with pytest.raises(TaskError, match="nested deeper") as caught:
        as_result(nested(levels, lists=lists))
    assert (caught.value.failure_class, caught.value.code) == ("user", "result_not_json")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, object(), 10**5000], ids=type)
def test_a_result_that_is_no_json_is_a_users_mistake(value: object) -> None:
    with pytest.raises(TaskError) as caught:
        as_result({"x": [value]})
    assert (caught.value.failure_class, caught.value.code) == ("user", "result_not_json")


def test_a_result_that_is_too_large_is_a_users_mistake() -> None:
    with pytest.raises(TaskError) as caught:
        arrived_result({"x": "y" * 2_000_000})
    assert (caught.value.failure_class, caught.value.code) == ("user", "result_too_large")


@pytest.mark.parametrize("text", ['{"a": "\\ud800"}', '{"\\u0000": 1}', '{"a": [{"b": "x\\u0000"}]}', '{"a": 1e999}'])
def test_a_result_written_past_the_library_that_cannot_be_stored_is_a_users_mistake(text: str) -> None:
    with pytest.raises(TaskError) as caught:
        arrived_result(json.loads(text))
    assert (caught.value.failure_class, caught.value.code) == ("user", "result_not_json")


def test_what_passes_is_strict_json() -> None:
    value = {"rows": 3, "names": ["ä", "𝄞"], "deep": nested(RESULT_LIMIT_LEVELS - 2)}
    assert parse(json.dumps(arrived_result(value)).encode()) == value


def test_columns_of_one_name_are_each_in_the_preview_and_in_the_file(tmp_path: Path) -> None:
    columns = [pa.array([1, 2]), pa.array(["a", None])]
    batch = pa.RecordBatch.from_arrays(columns, names=["n", "n"])
    found = store(pa.RecordBatchReader.from_batches(batch.schema, [batch]), tmp_path / "r.parquet")
    assert (found["rows"], found["row_count"]) == ([[1, "a"], [2, None]], 2)
    assert pyarrow.parquet.ParquetFile(tmp_path / "r.parquet").read().column_names == ["n", "n"]
