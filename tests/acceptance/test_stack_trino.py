"""A stack with Trino: tables that others read, passwords, caps, a kill, a clean stop. It takes some minutes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import deltalake
import httpx
import psutil
import pyarrow as pa
import pytest

from control_room.engines import catalogue, sources
from control_room.errors import ControlRoomError
from control_room.local import objectstore, state, trino
from control_room.local.folder import StackFolder
from control_room.local.service import NotReady
from control_room.local.trino_config import EXECUTOR, OPERATOR
from executors.runtime import sandbox
from tests.acceptance.test_docs import submitted, write_files
from tests.support.stack import Stack, kill, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
NATIONS = 25
LOOK = """
def main(context):
    for target in context.params["targets"]:
        try:
            open(target, "rb").read()
        except PermissionError:
            continue
        raise AssertionError(f"could read {target}")
"""
HUNGRY = "select count(*) from (select distinct comment, orderkey, linenumber from tpch.sf1.lineitem)"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("trino") / ".control-room")
    ensure_installed(stack)
    try:
        stack.run("up", "--with", "trino", "--executors", "python=1,dbt=1", timeout=600)
        yield stack
    finally:
        stack.run("down", "--drain", "1", check=False)


def ensure_installed(stack: Stack) -> None:
    [distribution] = catalogue.chosen(["trino"])
    if catalogue.installed_at(distribution) is None:
        try:
            sources.find(None)
        except ControlRoomError as error:
            pytest.skip(f"Trino is not installed here, and {error.what}")
        stack.run("engines", "install", "trino", timeout=1800)


def parts(stack: Stack) -> tuple[StackFolder, state.StackState]:
    folder = StackFolder.at(stack.data_dir)
    return folder, state.load(folder)


def ask(
    stack: Stack, statement: str, user: str = EXECUTOR, told: str | None = None, **properties: str
) -> list[list[Any]]:
    """The rows of a statement. told: the user that Trino is told of, beside the one whose password is shown. Raises
    NotReady with Trino's message when it fails."""

    async def asked() -> list[list[Any]]:
        async with trino.client_of(*parts(stack), user) as client:
            client.headers["X-Trino-User"] = told or user
            client.headers["X-Trino-Session"] = ",".join(f"{name}={value}" for name, value in properties.items())
            return await trino.execute(client, statement)

    return asyncio.run(asked())


def iceberg(stack: Stack) -> Any:
    """PyIceberg's view of the stack's catalog."""
    from pyiceberg.catalog.rest import RestCatalog

    folder, found = parts(stack)
    key, url = folder.s3_key(objectstore.ENGINES_KEY), objectstore.catalog_url(found)
    return RestCatalog(
        "stack",
        **{
            "uri": url,
            "warehouse": f"s3://{objectstore.WAREHOUSE}",
            "credential": f"{key['access_key']}:{key['secret_key']}",
            "oauth2-server-uri": f"{url}/v1/oauth/tokens",
            "scope": "catalog",
            "s3.endpoint": objectstore.endpoint(found),
            "s3.access-key-id": key["access_key"],
            "s3.secret-access-key": key["secret_key"],
            "s3.region": objectstore.REGION,
            "s3.force-virtual-addressing": "false",
        },
    )


def service(stack: Stack) -> dict[str, Any]:
    [found] = [each for each in stack.status()["services"] if each["name"] == "trino"]
    return dict(found)


def test_an_iceberg_table_goes_both_ways_between_trino_and_pyiceberg(stack: Stack) -> None:
    ask(stack, "create table iceberg.main.nations as select nationkey, name from tpch.tiny.nation")
    table = iceberg(stack).load_table("main.nations")
    read = table.scan().to_arrow()
    assert read.num_rows == NATIONS
    table.append(pa.table({"nationkey": [99], "name": ["NOWHERE"]}, schema=read.schema))
    assert ask(stack, "select count(*), max(nationkey) from iceberg.main.nations") == [[NATIONS + 1, 99]]


def test_the_statements_of_the_how_to_run_as_it_says(stack: Stack, tmp_path: Path) -> None:
    page = "spec/docs/how-to/run-sql-on-trino.md"
    assert write_files(page, tmp_path) == 1
    run = submitted(page, stack, tmp_path, "nations")
    assert run["result"]["rows"] == [[NATIONS]]


def test_the_dbt_project_of_the_how_to_runs_on_trino_as_it_says(stack: Stack, tmp_path: Path) -> None:
    page = "spec/docs/how-to/run-dbt.md"
    write_files(page, tmp_path)
    run = submitted(page, stack, tmp_path, "orders-by-status")
    [model] = run["result"]["nodes"]
    assert model["status"] == "success"
    assert ask(stack, "select sum(orders) from iceberg.main.orders_by_status") == [[15_000]]


def test_a_delta_table_goes_both_ways_between_trino_and_the_executors_key(stack: Stack) -> None:
    ask(stack, "create table delta.main.nations as select nationkey, name from tpch.tiny.nation")
    [[path]] = ask(stack, 'select max("$path") from delta.main.nations')
    home = path.rpartition("/")[0]
    assert home.startswith("s3://lakehouse/trino/main/nations")
    options = stack.storage_options()
    assert deltalake.DeltaTable(home, storage_options=options).to_pyarrow_table().num_rows == NATIONS
    deltalake.write_deltalake("s3://lakehouse/made_by_others", pa.table({"n": [1, 2, 3]}), storage_options=options)
    ask(stack, "call delta.system.register_table('main', 'others', 's3://lakehouse/made_by_others')")
    assert ask(stack, "select sum(n) from delta.main.others") == [[6]]


def test_nobody_gets_in_without_a_password(stack: Stack) -> None:
    folder, found = parts(stack)
    own = (EXECUTOR, folder.secret(trino.password_name(EXECUTOR)).read_text().strip())
    internal = f"http://127.0.0.1:{found.ports['trino_internal']}"
    assert refusal(trino.url_of(found), EXECUTOR, None) == 401
    assert refusal(trino.url_of(found), EXECUTOR, (EXECUTOR, "a guess")) == 401
    assert refusal(internal, EXECUTOR, None) == 403
    assert refusal(trino.url_of(found), EXECUTOR, own) == 200
    with pytest.raises(NotReady, match="User executor cannot impersonate user operator"):
        ask(stack, "select 1", told=OPERATOR)


def refusal(url: str, user: str, auth: tuple[str, str] | None) -> int:
    """The status of a statement sent as this user with these credentials, over a connection of its own."""
    headers = {"X-Trino-User": user}
    sent = httpx.post(
        f"{url}/v1/statement", content="select 1", headers=headers, auth=auth, verify=False, trust_env=False, timeout=30
    )
    return sent.status_code


def test_the_catalog_takes_no_other_key_than_the_engines(stack: Stack) -> None:
    folder, found = parts(stack)
    url = objectstore.catalog_url(found)
    assert httpx.get(f"{url}/v1/warehouse/namespaces", trust_env=False).status_code == 403
    for name in (objectstore.OWNER_KEY, objectstore.LAKEHOUSE_KEY):
        key = folder.s3_key(name)
        told = {"grant_type": "client_credentials", "scope": "catalog"}
        told |= {"client_id": key["access_key"], "client_secret": key["secret_key"]}
        token = httpx.post(f"{url}/v1/oauth/tokens", data=told, trust_env=False).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        answer = httpx.post(
            f"{url}/v1/warehouse/namespaces", json={"namespace": ["stolen"]}, headers=headers, trust_env=False
        )
        assert answer.status_code == 403, name


def test_the_server_s_caps_hold_whatever_a_client_sets(stack: Stack) -> None:
    with pytest.raises(NotReady, match="Cannot set system session property query_max_memory"):
        ask(stack, "select 1", user=OPERATOR, query_max_memory="10GB")
    with pytest.raises(NotReady, match="Cannot set system session property resource_overcommit"):
        ask(stack, "select 1", resource_overcommit="true")
    with pytest.raises(NotReady, match="per-node memory limit of 256MB"):
        ask(stack, HUNGRY, query_max_memory="10GB", query_max_memory_per_node="10GB")
    with pytest.raises(NotReady, match="memory limit of 1MB"):
        ask(stack, HUNGRY, query_max_memory_per_node="1MB")


def test_no_secret_is_in_a_log_a_file_of_trino_or_a_command_line(stack: Stack) -> None:
    secrets = secrets_of(stack)
    assert len(secrets) >= 8
    read = [path for folder in ("logs", "trino") for path in (stack.data_dir / folder).rglob("*") if path.is_file()]
    texts = {str(path): path.read_text(errors="replace") for path in read}
    texts["command line"] = " ".join(psutil.Process(service(stack)["pid"]).cmdline())
    assert "coordinator=true" in texts[str(stack.data_dir / "trino" / "etc" / "config.properties")]
    assert not [name for name, text in texts.items() for secret in secrets if secret in text]
    assert (stack.data_dir / "trino").stat().st_mode & 0o077 == 0


def secrets_of(stack: Stack) -> set[str]:
    folder = stack.data_dir / "secrets"
    keys = {json.loads(path.read_text()).get("secret_key") for path in folder.glob("s3-*.json")}
    plain = [path for kind in ("*.password", "*.token", "*.secret") for path in folder.glob(kind)]
    return {key for key in keys if key} | {path.read_text().strip() for path in plain}


@pytest.mark.skipif(sandbox.landlock_abi() == 0, reason="this kernel has no Landlock")
def test_code_of_runs_reads_neither_trino_s_environment_nor_its_files(stack: Stack, tmp_path: Path) -> None:
    secret = stack.data_dir / "secrets" / trino.password_name(EXECUTOR)
    targets = [
        f"/proc/{service(stack)['pid']}/environ",
        str(stack.data_dir / "trino/etc/config.properties"),
        str(secret),
    ]
    assert all(Path(target).read_bytes() for target in targets)
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "look.py").write_text(LOOK)
    schema = {"type": "object", "properties": {"targets": {"type": "array", "items": {"type": "string"}}}}
    spec = {"name": "look", "kind": "python", "bundle": "code", "entrypoint": "look:main", "params_schema": schema}
    (tmp_path / "look.yaml").write_text(json.dumps(spec))
    stack.run("templates", "apply", str(tmp_path))
    done = stack.run("submit", "look", "-p", f"targets={json.dumps(targets)}", "--follow", check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_listens_on_loopback_alone_and_tells_its_heap(stack: Stack) -> None:
    listening = [c.laddr for c in psutil.Process(service(stack)["pid"]).net_connections() if c.status == "LISTEN"]
    assert {address.ip.removeprefix("::ffff:") for address in listening} == {"127.0.0.1"}
    assert service(stack)["memory_cap_bytes"] == 2**30
    assert "(heap 1.0 GiB)" in stack.run("status").stdout


def test_killed_it_comes_back_with_its_tables(stack: Stack) -> None:
    ask(stack, "create table iceberg.main.kept as select 7 as n")
    ask(stack, "create table delta.main.kept as select 8 as n")
    before = service(stack)["pid"]
    kill(before)
    wait_until(lambda: service(stack)["pid"] not in (None, before), seconds=60, what="another Trino", every=0.5)
    wait_until(lambda: stack.status()["phase"] == "ready", seconds=240, what="the stack to be ready", every=1)
    assert service(stack)["restarts"] == 1
    assert ask(stack, "select a.n + b.n from iceberg.main.kept a, delta.main.kept b") == [[15]]


def test_down_ends_it_up_remembers_it_and_none_forgets_it(stack: Stack) -> None:
    pid = service(stack)["pid"]
    stack.run("down", "--drain", "1")
    assert not psutil.pid_exists(pid)
    _, found = parts(stack)
    assert found.engines == {"trino": "1G"}
    stack.run("up", "--with", "none")
    assert not [each for each in stack.status()["services"] if each["name"] == "trino"]
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{objectstore.catalog_url(found)}/v1/config", trust_env=False)
    assert "iceberg" not in stack.status()["urls"]


def test_an_engine_that_is_not_installed_is_refused_before_anything_starts(tmp_path: Path) -> None:
    stack = Stack(tmp_path / ".control-room")
    refused = stack.run("up", "--with", "trino", check=False, OPS_ENGINES_DIR=str(tmp_path / "engines"))
    assert refused.returncode == 2
    assert "engines install trino" in refused.stderr
    assert not stack.data_dir.exists()
