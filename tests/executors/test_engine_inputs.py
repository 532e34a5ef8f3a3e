"""Tables that engines wrote as inputs of other runs: bound to the version made, named in SQL, read as views."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.executors.room import Room
from tests.executors.sql import RETRY, done, serve_trino
from tests.executors.test_dbt_trino import TrinoMart
from tests.support.spark import Spark
from tests.support.trino import Trino, fresh

pytestmark = pytest.mark.timeout(400)
Json = dict[str, Any]


def reading(room: Room, parent: Json, inputs: Json, sql: str, kind: str, **config: str) -> Json:
    """A run of this SQL that reads tables of another run, once it has ended."""
    name = fresh("reads")
    spec = {"name": name, "kind": kind, "config": {"sql": sql, **config}, "retry": RETRY, "lease_seconds": 6}
    spec["inputs"] = [{"name": each, "kind": "table"} for each in inputs]
    room.call("put_template", room.operator, name, spec)
    body = {"template": name, "params": {}, "depends_on": [{"run": parent["run_id"], "inputs": inputs}]}
    run: Json = room.ended(room.call("submit_run", room.operator, body)["run_id"], 180)
    assert run["state"] == "succeeded", run["error"]
    return run


@pytest.mark.parametrize("catalog", ["iceberg", "delta"])
def test_trino_reads_the_version_that_the_run_made_and_not_what_came_after(
    control_room: Room, trino: Trino, catalog: str
) -> None:
    serve_trino(control_room, trino)
    table = f"{catalog}.{fresh('s')}.{fresh('t')}"
    schema = table.rpartition(".")[0]
    made = done(
        control_room, f"create schema {schema}; create table {table} as select 1 as n; insert into {table} values 2"
    )
    assert made["state"] == "succeeded", made["error"]
    trino.rows(f"insert into {table} values 3")
    sql = f"select sum(n), :seen_version from {table} for version as of :seen_version"
    run = reading(control_room, made, {"seen": table}, sql, "trino")
    version = made["result"]["statements"][2]["table"]["version"]
    assert run["inputs"][0]["version"] == version
    assert run["result"]["rows"] == [[3, str(version) if version > 2**53 else version]]


def test_trino_calls_a_procedure_with_the_address_of_an_input(control_room: Room, trino: Trino) -> None:
    serve_trino(control_room, trino)
    schema = fresh("s")
    made = done(control_room, f"create schema delta.{schema}; create table delta.{schema}.made as select 7 as n")
    call = "call delta.system.register_table"
    again = f"{call}(schema_name => '{schema}', table_name => 'again', table_location => :t_uri)"
    sql = f"{again}; select n from delta.{schema}.again"
    run = reading(control_room, made, {"t": f"delta.{schema}.made"}, sql, "trino")
    assert run["result"]["rows"] == [[7]]


def test_spark_sees_a_delta_input_as_a_view_at_its_version_and_an_iceberg_one_by_name(
    control_room: Room, spark: Spark
) -> None:
    control_room.executor("spark", spark_remote=spark.remote, spark_token_file=str(spark.token_file))
    path, table = f"s3://artifacts/{fresh('d')}", f"iceberg.main.{fresh('t')}"
    made = done(
        control_room,
        f"""create table delta.`{path}` using delta as select 1 as n;
        create namespace if not exists iceberg.main;
        create table {table} using iceberg as select 10 as n""",
        kind="spark",
    )
    assert made["state"] == "succeeded", made["error"]
    later = done(control_room, f"insert into delta.`{path}` values (2); insert into {table} values (20)", kind="spark")
    assert later["state"] == "succeeded", later["error"]
    inputs = {"plain": f"delta.{path.replace('://', '/')}", "ice": table}
    sql = f"select (select sum(n) from plain), (select sum(n) from {table} version as of :ice_version)"
    assert reading(control_room, made, inputs, sql, "spark")["result"]["rows"] == [[1, 10]]


@pytest.mark.slow
def test_a_delta_input_that_spark_cannot_read_fails_the_runs_that_use_it_alone(
    control_room: Room, spark: Spark
) -> None:
    control_room.executor("spark", spark_remote=spark.remote, spark_token_file=str(spark.token_file))
    name = fresh("d")
    made = done(control_room, f"create table delta.`s3://artifacts/{name}` using delta as select 1 as n", kind="spark")
    assert made["state"] == "succeeded", made["error"]
    client = spark.store.client()
    for found in client.list_objects_v2(Bucket="artifacts", Prefix=f"{name}/")["Contents"]:
        client.delete_object(Bucket="artifacts", Key=found["Key"])
    inputs = {"gone": f"delta.s3/artifacts/{name}"}
    assert reading(control_room, made, inputs, "select 2 as n -- and gone", "spark")["result"]["rows"] == [[2]]

    def code(text: str) -> Json:
        bound = {"depends_on": [{"run": made["run_id"], "inputs": inputs}], "retry": {"max_attempts": 1}}
        spec = {"kind": "spark", "inputs": [{"name": "gone", "kind": "table"}], **bound}
        return control_room.ended(control_room.submit({"job.py": text}, "job.py", **spec), 180)

    assert code("result = {'n': spark.range(3).count()}")["result"] == {"n": 3}
    failed = code("spark.table('gone').count()")
    assert failed["state"] == "failed"
    assert "input 'gone' cannot be read" in failed["error"]["message"], failed["error"]
    template: Json = {"name": fresh("reads"), "kind": "spark", "config": {"sql": "select * from gone"}}
    template |= {"inputs": [{"name": "gone", "kind": "table"}], "retry": {"max_attempts": 1}}
    control_room.call("put_template", control_room.operator, template["name"], template)
    body = {"template": template["name"], "params": {}, "depends_on": [{"run": made["run_id"], "inputs": inputs}]}
    failed = control_room.ended(control_room.call("submit_run", control_room.operator, body)["run_id"], 180)
    assert "input 'gone' cannot be read" in failed["error"]["message"], failed


def test_dbt_tells_the_version_of_each_table_that_its_models_made_and_knows_that_of_an_input(
    trino: Trino, tmp_path: Path
) -> None:
    mart = TrinoMart(tmp_path, trino.url)
    trino.rows(f"create schema iceberg.{mart.schema_name}")
    mart.files["models/hourly.sql"] = "select 'a' as meter, 1 as kwh, {{ var('readings_version') }} as version"
    inputs = [{"name": "readings", "kind": "table", "format": "iceberg", "uri": "s3://x/y", "version": 2**62 + 1}]
    run = mart.run("run", job={"inputs": inputs}, catalog="iceberg", select="hourly daily")
    assert run.code == 0, run.messages[-1]
    tables = {message["name"]: message["table"] for message in run.of("artifact") if message["kind"] == "table"}
    for model in ("hourly", "daily"):
        name = f"iceberg.{mart.schema_name}.{model}"
        [[snapshot]] = trino.rows(f'select snapshot_id from iceberg.{mart.schema_name}."{model}$snapshots"')
        assert (tables[f"{name}@{snapshot}"]["format"], tables[f"{name}@{snapshot}"]["version"]) == (
            "iceberg",
            snapshot,
        )
    assert len(tables) == 2
    assert trino.rows(f"select version from iceberg.{mart.schema_name}.hourly") == [[2**62 + 1]]
