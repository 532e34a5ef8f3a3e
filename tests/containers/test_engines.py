"""The profiles of compose: engines as servers in containers, with their executors, on the stack's store and catalog."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from control_room.client import OperatorClient
from tests.containers.engine import Project, docker, inside, inspect, until
from tests.containers.faults import ended, executors_of, holder, scaled

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
TOTAL = 1000 * 1001 // 2


@pytest.fixture(scope="module")
def serving(engines: Project, client: OperatorClient) -> OperatorClient:
    """The operator's client, once an executor of each profile is there."""
    until(lambda: {"trino", "spark", "command"} <= executors_of(client).keys(), 60)
    return client


def succeeded(client: OperatorClient, template: str, **params: Any) -> dict[str, Any]:
    run = ended(client, client.submit(template, params))
    assert run["state"] == "succeeded", run["error"]
    return run


def rows(run: dict[str, Any]) -> list[Any]:
    found: list[Any] = run["result"]["rows"]
    return [list(row.values()) if isinstance(row, dict) else list(row) for row in found]


def test_what_trino_writes_spark_reads_warm_and_with_a_driver_of_the_run_s_own(serving: OperatorClient) -> None:
    assert rows(succeeded(serving, "trino-make")) == [[1000, TOTAL]]
    warm = succeeded(serving, "spark-read")
    assert rows(warm) == [[1000, TOTAL]]
    assert warm["result"]["mode"] == "connect"
    alone = succeeded(serving, "spark-alone")
    assert rows(alone) == [[2 * TOTAL]]
    assert alone["result"]["mode"] == "isolated"


@pytest.mark.parametrize("adapter", ["spark", "trino"])
def test_dbt_builds_and_tests_on_each_engine(serving: OperatorClient, adapter: str) -> None:
    run = succeeded(serving, f"dbt-{adapter}")
    nodes = {node["resource_type"]: node for node in run["result"]["nodes"]}
    assert (nodes["model"]["status"], nodes["test"]["status"]) == ("success", "pass")
    assert (len(run["result"]["nodes"]), nodes["model"]["rows"]) == (3, 1000)


def test_a_program_of_a_bundle_runs_as_nobody_on_a_root_that_it_cannot_write(serving: OperatorClient) -> None:
    run = succeeded(serving, "say", text="grüße")
    assert [artifact["name"] for artifact in serving.artifacts(run["run_id"])] == ["said.txt"]
    told = "".join(entry["text"] for entry in serving.logs(run["run_id"])["items"])
    assert "10001" in told
    assert "Read-only file system" in told or "Permission denied" in told


def test_trino_takes_nobody_without_a_password(engines: Project, serving: OperatorClient) -> None:
    """Not by its door for clients, and not by the one for its own parts."""
    (container,) = engines.containers("trino")
    ask = """
import ssl, sys, urllib.request as u
context = ssl.create_default_context(cafile="/run/trino/ca.pem")
opener = u.build_opener(u.ProxyHandler({}), u.HTTPSHandler(context=context))
asked = u.Request(sys.argv[1] + "/v1/statement", b"select 1", {"X-Trino-User": "executor"})
try:
    print(opener.open(asked, timeout=20).status)
except u.HTTPError as error:
    print(error.code)
"""
    for door in ("https://trino-server:8443", "http://trino-server:8080"):
        assert inside(container, "python", "-c", ask, door).strip() in ("401", "403")


def test_spark_takes_nobody_without_its_token(engines: Project, serving: OperatorClient) -> None:
    (container,) = engines.containers("spark")
    ask = """
from pyspark.sql.connect.client.core import DefaultChannelBuilder
from pyspark.sql.connect.session import SparkSession
try:
    print(SparkSession(connection=DefaultChannelBuilder("sc://spark-server:15002")).range(3).count())
except Exception as error:
    print(error)
"""
    assert "UNAUTHENTICATED" in inside(container, "python", "-c", ask).upper()


def test_what_opens_an_engine_is_in_no_container_but_its_own_its_executor_s_and_dbt_s(
    engines: Project, serving: OperatorClient
) -> None:
    opening = {
        "trino": engines.secret("secrets-executor-trino", "trino.password"),
        "spark": engines.secret("secrets-executor-spark", "spark.token"),
    }
    for kind in ("python", "notebook", "command", "trino", "spark", "dbt"):
        (container,) = engines.containers(kind)
        held = inside(container, "sh", "-c", "env; cat /run/secrets/control-room/*")
        own = {"trino", "spark"} if kind == "dbt" else {kind} & opening.keys()
        assert {engine for engine, secret in opening.items() if secret in held} == own


def test_a_killed_trino_executor_s_run_moves_to_another(engines: Project, serving: OperatorClient) -> None:
    with scaled(engines, serving, 2, "trino"):
        run = serving.submit("trino-long", {})
        docker("kill", "--signal", "KILL", holder(serving, engines, run, "trino"))
        found = ended(serving, run)
        assert found["state"] == "succeeded", found["error"]
        assert [attempt["outcome"] for attempt in found["attempts"]] == ["expired", "succeeded"]
        assert len({attempt["executor_name"] for attempt in found["attempts"]}) == 2


def test_a_spark_server_that_dies_in_mid_run_fails_the_run_and_is_there_again(
    engines: Project, serving: OperatorClient
) -> None:
    (server,) = engines.containers("spark-server")
    run = serving.submit("spark-long", {})
    until(lambda: (serving.run(run["run_id"])["progress"] or {}).get("message"), 90)
    os.kill(inspect(server)["State"]["Pid"], signal.SIGKILL)
    found = ended(serving, run)
    assert found["state"] == "failed"
    assert found["error"]["class"] in ("external", "resources"), found["error"]
    until(lambda: inspect(server)["State"]["Health"]["Status"] == "healthy", 120)
    assert inspect(server)["RestartCount"] == 1
    succeeded(serving, "spark-read")
