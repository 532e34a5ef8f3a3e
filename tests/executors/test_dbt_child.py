"""A dbt run: pinned inputs in, tests before publication, every node on the record, no credential anywhere."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
import yaml

from executors.dbt import delta_plugin
from executors.runtime.commit import publish
from tests.executors.child_harness import ChildRun, run_child, start_child
from tests.executors.lake import Lake
from tests.support.seaweed import Seaweed, object_store, own_object_store  # noqa: F401
from tests.support.stack import ROOT

PROJECT = "name: shop\nversion: '1.0'\nprofile: anything\nmodels: {shop: {+materialized: table}}\n"
SCHEMA: dict[str, Any] = {
    "version": 2,
    "sources": [{"name": "inputs", "tables": [{"name": "orders"}]}],
    "models": [
        {
            "name": "totals",
            "columns": [
                {"name": "customer", "data_tests": ["not_null", "unique"]},
                {"name": "amount", "data_tests": ["not_null"]},
            ],
        }
    ],
}
CLEAN = "select customer, amount from {{ source('inputs', 'orders') }} where amount is not null"
TOTALS = """select customer, sum(amount)::bigint as amount, max('{{ var("unit") }}') as unit
from {{ ref('clean') }} group by 1"""
ORDERS = pa.table({"customer": ["a", "b", "a", None], "amount": [1, 2, 3, None], "unused": ["x", "y", "z", "w"]})


class Shop:
    """A small project in a bundle, and the job that runs it."""

    def __init__(self, lake: Lake, folder: Path) -> None:
        self.lake, self.folder, self.bundle = lake, folder, folder / "bundle"
        self.schema = json.loads(json.dumps(SCHEMA))
        lake.work_dir = folder / "work"
        lake.work_dir.mkdir()
        self.files = {"dbt_project.yml": PROJECT, "models/clean.sql": CLEAN, "models/totals.sql": TOTALS}
        self.config: dict[str, Any] = {"publish": {"totals": "totals"}, "vars": {"unit": "default"}}
        self.version = 0

    def publish_orders(self, table: pa.Table = ORDERS) -> None:
        self.version = publish(self.lake.staged(table, "overwrite", "orders"), self.lake.connection)["table_version"]

    def job(self, **more: Any) -> dict[str, Any]:
        for name, text in (self.files | {"models/schema.yml": yaml.safe_dump(self.schema)}).items():
            path = self.bundle / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        outputs = dict.fromkeys(self.config.get("publish", {}), "overwrite")
        fields = {"config": self.config, "entrypoint": ".", "bundle_dir": str(self.bundle), "params": {"unit": "EUR"}}
        return self.lake.job(outputs, {"orders": self.version}) | fields | more

    def run(self, **more: Any) -> ChildRun:
        return run_child("dbt", self.job(**more))

    def bundle_files(self) -> set[str]:
        return {str(path.relative_to(self.bundle)) for path in self.bundle.rglob("*") if path.is_file()}


@pytest.fixture
def shop(object_store: Seaweed, tmp_path: Path) -> Shop:  # noqa: F811
    shop = Shop(Lake(object_store, tmp_path), tmp_path)
    shop.publish_orders()
    return shop


def nodes_by_name(run: ChildRun) -> dict[str, dict[str, Any]]:
    return {node["name"]: node for node in run.of("result")[-1]["value"]["nodes"]}


def test_a_build_whose_tests_pass_stages_its_models_and_tells_all(shop: Shop) -> None:
    shop.publish_orders(pa.table({"customer": ["later"], "amount": [9], "unused": [""]}))
    shop.version = 0
    run = shop.run()
    assert (run.code, run.of("error")) == (0, []), run.output
    # Nodes
    nodes = nodes_by_name(run)
    assert {name: node["status"] for name, node in nodes.items()} == {
        "clean": "success",
        "totals": "success",
        "not_null_totals_customer": "pass",
        "unique_totals_customer": "pass",
        "not_null_totals_amount": "pass",
    }
    assert (nodes["clean"]["rows"], nodes["totals"]["rows"]) == (3, 2)
    assert nodes["clean"]["file"] == "models/clean.sql"
    assert run.result["totals"] == {"models": 2, "pass": 3, "success": 2, "tests": 3}
    assert run.result["published"] == {"totals": 2}
    # Data, of version 0 although version 1 exists, with the run's param over the template's var
    (publication,) = run.of("publication")
    publication = {key: value for key, value in publication.items() if key != "type"}
    publish(publication | {"app_id": "run/totals", "app_version": 1}, shop.lake.connection)
    rows = shop.lake.open("totals").to_pyarrow_table().sort_by("customer").to_pylist()
    assert rows == [{"customer": "a", "amount": 4, "unit": "EUR"}, {"customer": "b", "amount": 2, "unit": "EUR"}]
    # Files
    assert set(run.artifacts) == {"manifest.json", "run_results.json", "catalog.json", "index.html", "dbt.log"}
    assert len(json.loads(run.artifacts["run_results.json"])["results"]) == 5
    assert json.loads(run.artifacts["run_results.json"])["args"]["which"] == "build"
    assert "model.shop.totals" in json.loads(run.artifacts["catalog.json"])["nodes"]
    # Progress
    messages = [message.get("message", "") for message in run.of("progress")]
    assert "reading input orders" in messages
    assert any("running" in message and "totals" in message for message in messages)
    assert [m["total"] for m in run.of("progress") if "total" in m][-1] == 5
    fractions = [m["fraction"] for m in run.of("progress") if "fraction" in m]
    assert fractions == sorted(fractions)
    # Nothing outside the work folder, no noise, no secret
    assert shop.bundle_files() == {*shop.files, "models/schema.yml"}
    assert list((shop.lake.work_dir / "home").rglob("*")) == []
    assert "leaked" not in run.output
    assert_no_secret(shop, run)


def assert_no_secret(shop: Shop, run: ChildRun) -> None:
    """Look for the store's keys in everything that the run wrote or said."""
    secrets = (shop.lake.store.access_key.encode(), shop.lake.store.secret_key.encode())
    written = [path for path in shop.lake.work_dir.rglob("*") if path.is_file()]
    assert any(path.name == "manifest.json" for path in written)
    said = {path: path.read_bytes() for path in written} | {"messages": json.dumps(run.messages).encode()}
    for place, text in (said | {"output": run.output.encode()}).items():
        assert not any(secret in text for secret in secrets), place


def test_a_failed_test_publishes_nothing_and_shows_where(shop: Shop) -> None:
    shop.files["models/totals.sql"] = TOTALS.replace("where", "").replace(
        "group by 1", "group by 1 union all by name select 'a' as customer, 0 as amount, '' as unit"
    )
    run = shop.run()
    assert (run.code, run.of("publication")) == (1, [])
    assert (run.error["class"], run.error["code"]) == ("user", "test_failed")
    assert "unique_totals_customer" in run.error["message"]
    assert "Got 1 result" in run.error["message"]
    assert run.error["position"] == {"file": "models/schema.yml", "node": run.error["position"]["node"]}
    assert nodes_by_name(run)["unique_totals_customer"]["failures"] == 1
    assert nodes_by_name(run)["clean"]["status"] == "success"
    assert {"manifest.json", "run_results.json", "dbt.log"} <= set(run.artifacts)
    assert shop.lake.objects("totals") == []
    assert_no_secret(shop, run)


def test_a_model_that_fails_is_named_with_its_file_and_its_children_are_skipped(shop: Shop) -> None:
    shop.files["models/clean.sql"] = CLEAN.replace("amount from", "amount_misspelt as amount from")
    run = shop.run()
    assert (run.code, run.of("publication")) == (1, [])
    assert (run.error["class"], run.error["code"]) == ("user", "model_failed")
    assert "model clean (models/clean.sql)" in run.error["message"]
    assert "amount_misspelt" in run.error["message"]
    assert run.error["position"] == {"file": "models/clean.sql", "node": "model.shop.clean"}
    assert nodes_by_name(run)["totals"]["status"] == "skipped"


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("models/totals.sql", "select * from {{ ref('nowhere') }}", ["nowhere", "models/totals.sql"]),
        ("models/totals.sql", "select * from {{ ref('clean'", ["models/totals.sql"]),
        ("models/extra.yml", "version: 2\nmodels: [\n", ["extra.yml", "line 3"]),
    ],
    ids=["unknown ref", "broken Jinja", "broken YAML"],
)
def test_a_project_that_does_not_parse_is_the_users_failure_with_the_file(
    shop: Shop, name: str, text: str, words: list[str]
) -> None:
    shop.files[name] = text
    run = shop.run()
    assert run.code == 1
    assert run.error["class"] == "user"
    assert run.error["code"] in {"parse_failed", "compile_failed"}
    assert all(word in run.error["message"] for word in words), run.error["message"]
    assert run.error["position"]["file"] == name
    assert "dbt.log" in run.artifacts
    assert "Traceback" not in run.error["message"]


def test_a_source_that_no_input_fills_is_named_before_anything_is_read(shop: Shop) -> None:
    shop.schema["sources"][0]["tables"].append({"name": "customers"})
    run = shop.run()
    assert (run.error["class"], run.error["code"]) == ("user", "source_without_input")
    assert "wants the input 'customers'" in run.error["message"]
    assert "(inputs: orders)" in run.error["message"]


def test_inputs_come_in_as_views_with_the_columns_asked_for_when_the_template_says_so(shop: Shop) -> None:
    shop.config["sources"] = {"orders": {"materialize": "view", "columns": ["customer", "amount"]}}
    shop.schema["sources"] = [{"name": "raw", "tables": [{"name": "sales", "meta": {"input": "orders"}}]}]
    shop.files["models/clean.sql"] = CLEAN.replace("'inputs', 'orders'", "'raw', 'sales'").replace(
        "customer, amount", "*"
    )
    shop.files["models/clean.sql"] = "{{ config(materialized='view') }} " + shop.files["models/clean.sql"]
    shop.config["publish"] = {"clean": "clean"}
    run = shop.run()
    assert run.code == 0, run.error
    schema = run.of("publication")[0]["schema"]
    assert [field["name"] for field in schema["fields"]] == ["customer", "amount"]
    assert run.of("publication")[0]["rows"] == 3


def test_a_published_model_that_the_command_did_not_build_is_refused(shop: Shop) -> None:
    shop.config["select"] = ["clean"]
    run = shop.run()
    assert (run.error["class"], run.error["code"]) == ("user", "model_not_built")
    assert run.of("publication") == []


def test_too_little_memory_is_a_matter_of_resources(shop: Shop) -> None:
    shop.files["models/clean.sql"] = "select list(i) as customer, 1 as amount from range(100000000) t(i) where 1 = 1"
    run = shop.run(caps={"memory_bytes": 150 * 1024**2})
    assert (run.error["class"], run.error["code"]) == ("resources", "out_of_memory"), run.error


MAIN_THREAD_WAITS = """
import signal, sys, threading
from types import SimpleNamespace
from executors.dbt.interrupts import interrupted_by_sigterm
from executors.runtime.child import Cancelled

interrupts = []
context = SimpleNamespace(is_cancelled=lambda: False)
session = SimpleNamespace(interrupt=lambda: interrupts.append(1))
try:
    with interrupted_by_sigterm(context, session):
        kill = lambda: signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
        threading.Timer(0.3, kill).start()
        threading.Event().wait()
except Cancelled:
    print("cancelled")
"""


def test_a_signal_that_does_not_end_the_main_threads_wait_is_noticed_all_the_same() -> None:
    """As one does not that comes just before the wait; here another thread takes it."""
    command = [sys.executable, "-c", MAIN_THREAD_WAITS]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "cancelled\n"), done.stderr


def test_a_cancelled_run_stops_its_query_and_publishes_nothing(shop: Shop) -> None:
    shop.files["models/clean.sql"] = (
        "select count(*)::text as customer, 1 as amount from range(1e12::bigint) t(i), range(9)"
    )
    child = start_child("dbt", shop.job())
    child.wait_for("running clean")
    child.terminate_group()
    run = child.end(30)
    assert [message["type"] for message in run.messages][-1] == "cancelled"
    assert (run.code, run.of("publication"), run.of("result")) == (143, [], [])


def test_an_interrupt_reaches_every_cursor_that_dbt_opened_and_did_not_keep() -> None:
    session = delta_plugin.Session({}, ())
    delta_plugin.begin(session)
    plugin, database = delta_plugin.Plugin("inputs", {}), duckdb.connect()
    forgotten, kept = database.cursor(), database.cursor()
    for cursor in (forgotten, kept):
        plugin.configure_cursor(cursor)
    failures: queue.Queue[duckdb.Error] = queue.Queue()
    worker = threading.Thread(target=count_for_ever, args=(forgotten, failures), daemon=True)
    worker.start()
    while failures.empty():  # an interrupt before the query has begun is lost, so it comes again, as in a run
        session.interrupt()
        worker.join(0.05)
    assert isinstance(failures.get(), duckdb.InterruptException)
    assert kept.execute("select 1").fetchall() == [(1,)]


def count_for_ever(cursor: duckdb.DuckDBPyConnection, failures: queue.Queue[duckdb.Error]) -> None:
    try:
        cursor.execute("select count(*) from range(1e12::bigint) t(i), range(9)").fetchall()
    except duckdb.Error as error:
        failures.put(error)


def test_a_store_that_is_down_is_an_external_failure(own_object_store: Seaweed, tmp_path: Path) -> None:  # noqa: F811
    shop = Shop(Lake(own_object_store, tmp_path), tmp_path)
    shop.publish_orders()
    own_object_store.stop()
    run = shop.run()
    assert (run.error["class"], run.error["code"]) == ("external", "store_failed"), run.error
    assert "orders" in run.error["message"]
    assert_no_secret(shop, run)


def test_what_duckdb_says_of_our_own_statements_is_no_fault_of_the_users() -> None:
    ours = delta_plugin.failure_of(duckdb.InvalidInputException("an unfinished result"))
    assert (ours.failure_class, ours.code) == ("internal", "input_not_read")  # type: ignore[attr-defined]
    full = delta_plugin.failure_of(duckdb.OutOfMemoryException("could not allocate"))
    assert full.failure_class == "resources"  # type: ignore[attr-defined]
    column = duckdb.BinderException('Referenced column "kwh" not found')
    assert delta_plugin.failure_of(column) is column
