"""The Trino executor against a real Trino: what statements return, what is kept of them."""

from __future__ import annotations

from tests.executors.room import Room
from tests.executors.sql import artifacts, parquet, queries, result, serve_trino, submit_sql
from tests.support.trino import Trino


def test_a_query_returns_its_first_rows_and_all_of_them_as_parquet(control_room: Room, trino: Trino) -> None:
    serve_trino(control_room, trino)
    run_id = submit_sql(control_room, "select orderkey, custkey from orders order by orderkey")
    run = control_room.ended(run_id, 60)
    assert run["state"] == "succeeded", run
    found = run["result"]
    assert found["columns"] == [{"name": "orderkey", "type": "bigint"}, {"name": "custkey", "type": "bigint"}]
    assert (len(found["rows"]), found["row_count"], found["truncated"]) == (1000, 15000, True)
    assert found["rows"][0] == [1, 370]
    table = parquet(control_room, run_id)
    assert table.num_rows == 15000
    assert table.slice(0, 1).to_pylist() == [{"orderkey": 1, "custkey": 370}]
    assert set(artifacts(control_room, run_id)) == {"result.parquet", "queries.json"}
    (query,) = queries(control_room, run_id)
    assert query["query_id"] == found["statements"][0]["query_id"]
    assert query["plan"]["0"]["name"]
    print(run["usage"], control_room.logged(run_id, "log"))
