"""The compose stack: what its images are, what its containers cannot do, and what it survives."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import pytest
from _pytest.mark import ParameterSet

from control_room.client import OperatorClient
from tests.containers import engine
from tests.containers.engine import KINDS, PROFILES, Project, docker, inside, inspect, until, wanted
from tests.containers.faults import cut_off, ended, holder, scaled

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
IN_CI = ("server", "python", "trino")
COUNT_ROWS = """
import json
from deltalake import DeltaTable
c = json.load(open("/run/secrets/control-room/connections.json"))["lakehouse"]
key = {"AWS_ACCESS_KEY_ID": c["access_key"], "AWS_SECRET_ACCESS_KEY": c["secret_key"]}
options = {**key, "AWS_ENDPOINT_URL": c["endpoint"], "AWS_REGION": c["region"], "AWS_ALLOW_HTTP": "true"}
table = DeltaTable("s3://lakehouse/containers/rows", storage_options=options)
print(table.to_pyarrow_table().num_rows)
"""


def some(kind: str) -> ParameterSet:
    """A kind as a parameter; marked where CI builds its image."""
    return pytest.param(kind, marks=[pytest.mark.quick] if kind in IN_CI else [])


# What the images are ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("image", [some(image) for image in ("server", *KINDS, *PROFILES)])
def test_an_image_is_lean_and_says_what_it_is(images: dict[str, str], image: str) -> None:
    name = images[f"{image.upper()}_IMAGE"]
    (found,) = json.loads(docker("image", "inspect", name))
    config = found["Config"]
    assert config["User"] == "10001:10001"
    assert config["Healthcheck"]["Test"]
    assert config["Entrypoint"][0] == "/usr/bin/tini"
    assert {"title", "description", "licenses", "version", "revision"} <= {
        label.rpartition(".")[2] for label in config["Labels"] if label.startswith("org.opencontainers.image.")
    }
    look = "import shutil, sys; print([t for t in ('gcc', 'cc', 'make', 'npm', 'cargo') if shutil.which(t)])"
    assert docker("run", "--rm", "--entrypoint", "python", name, "-c", look).strip() == "[]"
    bill = json.loads(docker("run", "--rm", "--entrypoint", "cat", name, "/usr/share/sbom/control-room.cdx.json"))
    assert bill["bomFormat"] == "CycloneDX"
    components = {one["name"].lower() for one in bill["components"]}
    assert "httpx" in components
    assert not components & {"pip", "setuptools", "wheel"}


# dbt works in DuckDB, on Trino and on Spark, with the clients of both, of Spark that alone; notebooks are papermill's.
ENGINES = {
    "python": set(),
    "notebook": {"papermill"},
    "dbt": {"dbt", "duckdb", "pyspark", "trino"},
    "duckdb": {"duckdb"},
    "trino": {"trino"},
    "command": set(),
    "spark": {"pyspark"},
}
FOREIGN = {"psycopg", "fastapi", "control_room", "ops_schema", "dbt", "duckdb", "papermill", "pyspark", "trino"}


@pytest.mark.parametrize("kind", [some(kind) for kind in ENGINES])
def test_an_executor_image_holds_its_own_engine_alone(images: dict[str, str], kind: str) -> None:
    look = f"import importlib.util as u; print(sorted(m for m in {sorted(FOREIGN)} if u.find_spec(m)))"
    found = docker("run", "--rm", "--entrypoint", "python", images[f"{kind.upper()}_IMAGE"], "-c", look)
    assert found.strip() == str(sorted(ENGINES[kind]))


@pytest.mark.quick
def test_the_image_of_the_trino_executor_holds_no_java_and_no_spark(images: dict[str, str]) -> None:
    def held(*names: str) -> str:
        either = [part for name in names for part in ("-o", "-iname", name)][1:]
        found = ("run", "--rm", "--user", "0", "--entrypoint", "find", images["TRINO_IMAGE"])
        return docker(*found, "/", "-xdev", "-not", "-path", "/proc/*", "(", *either, ")").strip()

    assert held("java", "javac", "*.jar", "*spark*") == ""
    assert "/opt/app/executors/trino" in held("trino")  # which says that the look can find something


def test_the_image_of_the_dbt_executor_has_adapters_of_all_engines_and_nothing_of_spark_but_its_client(
    images: dict[str, str],
) -> None:
    look = "from executors.dbt.executor import EXECUTOR; print(EXECUTOR.capabilities()['adapters'])"
    found = docker("run", "--rm", "--entrypoint", "python", images["DBT_IMAGE"], "-c", look)
    assert found.strip() == "['duckdb', 'trino', 'spark']"
    looked = ("run", "--rm", "--entrypoint", "find", images["DBT_IMAGE"], "/opt", "/usr", "-name")
    assert docker(*looked, "*.jar").strip() == ""
    assert docker(*looked, "java").strip() == ""
    assert "pyspark_client" in docker(*looked, "pyspark_client*")


# The stack ----------------------------------------------------------------------------------------------------------


def test_up_alone_runs_the_demo(project: Project) -> None:
    (demo,) = project.containers("demo", gone=True)
    assert docker("wait", demo, seconds=300).strip() == "0", project.logs("demo", "server", "python", "dbt", "notebook")
    run = json.loads(project.cli("runs", "show", "1", "--json"))
    assert run["state"] == "succeeded"
    assert project.cli("artifacts", "verify", "1")


def test_every_container_gets_well(project: Project) -> None:
    for service in ("server", "objectstore", "postgres", *KINDS):
        (container,) = project.containers(service)
        until(
            lambda container=container: inspect(container)["State"]["Health"]["Status"] == "healthy",
            90,
            lambda container=container: str(inspect(container)["State"]["Health"]),
        )


@pytest.mark.quick
def test_nothing_leads_from_an_executor_to_the_database(project: Project) -> None:
    passwords = [
        project.secret("secrets-database", "postgres.password"),
        project.secret("secrets-server", "server.password"),
    ]
    reach = "import socket; socket.create_connection(('postgres', 5432), 3)"
    for kind in wanted(KINDS):
        (container,) = project.containers(kind)
        environment = inside(container, "env")
        assert not [line for line in environment.splitlines() if line.startswith(("PG", "POSTGRES", "DATABASE"))]
        held = inside(container, "sh", "-c", "cat /run/secrets/control-room/*")
        assert not any(password in held + environment for password in passwords)
        with pytest.raises(engine.EngineError, match="gaierror"):
            inside(container, "python", "-c", reach)
    (server,) = project.containers("server")
    inside(server, "python", "-c", reach)  # which says that the look above can succeed


@pytest.mark.quick
def test_the_root_of_our_containers_cannot_be_written(project: Project) -> None:
    for service in ("server", *wanted(KINDS)):
        (container,) = project.containers(service)
        with pytest.raises(engine.EngineError, match="Read-only file system"):
            inside(container, "touch", "/opt/app/made")


# What it survives ---------------------------------------------------------------------------------------------------


@pytest.mark.quick
def test_five_executors_share_the_work_and_a_killed_one_s_run_moves_to_another(
    project: Project, client: OperatorClient
) -> None:
    with scaled(project, client, 5):
        long = client.submit("sleep", {"seconds": 20})
        victim = holder(client, project, long)
        runs = [long, *(client.submit("sleep", {"seconds": 4}) for _ in range(9))]
        docker("kill", "--signal", "KILL", victim)
        found = [ended(client, run) for run in runs]
        assert {run["state"] for run in found} == {"succeeded"}
        executors = {attempt["executor_name"] for run in found for attempt in run["attempts"]}
        assert len(executors) >= 4
        moved = found[0]["attempts"]
        assert [attempt["outcome"] for attempt in moved] == ["expired", "succeeded"]
        assert len({attempt["executor_name"] for attempt in moved}) == 2


@pytest.mark.quick
def test_a_run_beyond_its_container_s_memory_ends_as_out_of_resources_and_the_executor_goes_on(
    project: Project, client: OperatorClient
) -> None:
    (container,) = project.containers("python")
    docker("update", "--memory", "400m", "--memory-swap", "400m", container)
    try:
        run = ended(client, client.submit("grow", {}))
        assert run["state"] == "failed"
        assert run["error"]["class"] == "resources", run["error"]
        assert inspect(container)["State"]["Running"]
        assert inspect(container)["RestartCount"] == 0
        assert ended(client, client.submit("sleep", {"seconds": 0}))["state"] == "succeeded"
    finally:
        docker("update", "--memory", "2g", "--memory-swap", "2g", container)


def test_a_short_cut_from_the_server_costs_nothing(project: Project, client: OperatorClient) -> None:
    run = client.submit("sleep", {"seconds": 15})
    container = holder(client, project, run)
    with cut_off(project, container):
        time.sleep(4)  # as long as the cut lasts: less than the lease of 10 s
    found = ended(client, run)
    assert [attempt["outcome"] for attempt in found["attempts"]] == ["succeeded"]


def test_a_run_whose_executor_is_cut_off_for_long_moves_and_its_rows_appear_once(
    project: Project, client: OperatorClient
) -> None:
    with scaled(project, client, 2):
        run = client.submit("rows", {"seconds": 12})
        container = holder(client, project, run)
        with cut_off(project, container):
            found = ended(client, run)
        assert found["state"] == "succeeded"
        assert [attempt["outcome"] for attempt in found["attempts"]] == ["expired", "succeeded"]
        # The one that comes back has finished its work meanwhile, and what it reports is refused.
        until(lambda: "run.superseded" in docker("logs", container) or "lease_lost" in docker("logs", container), 60)
        (other,) = [c for c in project.containers("python") if c != container]
        assert inside(other, "python", "-c", COUNT_ROWS).strip() == "100"
        assert client.run(run["run_id"])["state"] == "succeeded"


@pytest.mark.quick
def test_sigterm_lets_an_executor_finish_what_it_has(project: Project, client: OperatorClient) -> None:
    run = client.submit("sleep", {"seconds": 8})
    container = holder(client, project, run)
    docker("stop", "--time", "30", container)
    assert inspect(container)["State"]["ExitCode"] == 0
    found = client.run(run["run_id"])
    assert found["state"] == "succeeded"
    assert len(found["attempts"]) == 1
    docker("start", container)
    assert ended(client, client.submit("sleep", {"seconds": 0}))["state"] == "succeeded"


def test_the_server_is_rolled_under_load_and_nothing_is_lost(project: Project, client: OperatorClient) -> None:
    (first,) = project.containers("server")
    second = project("run", "-d", "--no-deps", "--use-aliases", "-T", "server").strip().splitlines()[-1]
    submitted: list[dict[str, Any]] = []
    stop = threading.Event()

    def load() -> None:
        while not stop.is_set():
            submitted.append(client.submit("sleep", {"seconds": 0.1}))

    try:
        until(lambda: inspect(second)["State"]["Health"]["Status"] == "healthy", 60)
        loading = threading.Thread(target=load)
        loading.start()
        until(lambda: len(submitted) > 3, 60)
        for server in (first, second):
            before = len(submitted)
            docker("restart", "--time", "15", server)
            until(lambda server=server: inspect(server)["State"]["Health"]["Status"] == "healthy", 90)
            until(lambda before=before: len(submitted) > before + 3, 60)
        stop.set()
        loading.join(90)
        assert not loading.is_alive()
        found = [ended(client, run, 240) for run in submitted]
        assert {run["state"] for run in found} == {"succeeded"}
        assert {len(run["attempts"]) for run in found} == {1}
    finally:
        stop.set()
        docker("rm", "-f", second)
