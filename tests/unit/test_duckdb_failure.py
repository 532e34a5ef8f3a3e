"""What DuckDB says of a table that is not there, for somebody who knows their own tables only."""

from __future__ import annotations

import duckdb
import pytest

from executors.duckdb.failure import Scene, failure_of


@pytest.mark.parametrize(
    ("sql", "inputs", "told"),
    [
        ("select * from settings", ("readings",), "does not exist; the run's inputs are: readings"),
        ("select * from settings", (), "does not exist; the run's inputs are: none"),
        ("select * from readng", ("readings", "b"), "; did you mean readings? the run's inputs are: readings, b"),
        ("select * from lake.readings", ("readings",), 'schema "lake" does not exist; the run\'s inputs are: readings'),
        ("drop table settings", ("readings",), "does not exist; the run's inputs are: readings"),
    ],
)
def test_a_missing_table_is_told_with_the_inputs_and_without_tables_of_duckdbs_own(
    sql: str, inputs: tuple[str, ...], told: str
) -> None:
    with duckdb.connect() as database:
        if inputs:
            database.execute("create table readings as select 1 as x")
        with pytest.raises(duckdb.CatalogException) as error:
            database.execute(sql)
    found = failure_of(error.value, Scene(1, 1, sql, sql, inputs=inputs))
    assert (found.failure_class, found.code) == ("user", "catalog_error")
    assert found.message.endswith(told)
    assert "pg_" not in found.message


def test_another_missing_thing_is_told_in_duckdbs_words() -> None:
    with duckdb.connect() as database, pytest.raises(duckdb.CatalogException) as error:
        database.execute("select coun(1)")
    assert 'Did you mean "count"' in failure_of(error.value, Scene(1, 1, "", "")).message
