"""A stack with Spark Connect: tables that others read, no lost commit, its token, confinement, a kill, a clean stop."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import deltalake
import psutil
import pyarrow as pa
import pytest

from control_room.engines import catalogue, findings, sources
from control_room.errors import ControlRoomError
from control_room.local import spark, state
from control_room.local.folder import StackFolder
from executors.runtime import sandbox
from tests.acceptance.test_docs import submitted, write_files
from tests.support.stack import Stack, kill, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
MIXED = "s3://lakehouse/mixed"
APPENDS = 6  # of each session
OTHERS = 40  # by delta-rs, which is much quicker
SESSION = """
import os, sys
from pyspark.sql import SparkSession
session = SparkSession.builder.remote(sys.argv[1]).getOrCreate()
try:
    exec(sys.stdin.read())
finally:
    sys.stdout.flush()
    sys.stderr.flush()
os._exit(0)
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("spark") / ".control-room")
    ensure_installed(stack)
    try:
        stack.run("up", "--with", "spark", "--executors", "python=1", timeout=600)
        yield stack
    finally:
        stack.run("down", "--drain", "1", check=False)


def test_the_statements_of_the_how_to_run_as_it_says(stack: Stack, tmp_path: Path) -> None:
    page = "spec/docs/how-to/run-spark.md"
    assert write_files(page, tmp_path) == 1
    assert submitted(page, stack, tmp_path, "numbers")["result"]["rows"] == [[10]]


def ensure_installed(stack: Stack) -> None:
    [distribution] = catalogue.chosen(["spark"])
    if findings.package_version("pyspark") != distribution.version:
        pytest.skip(f"pyspark {distribution.version} is not installed (extra spark)")
    if catalogue.installed_at(distribution) is None:
        try:
            sources.find(None)
        except ControlRoomError as error:
            pytest.skip(f"Spark's jars are not installed here, and {error.what}")
        stack.run("engines", "install", "spark", timeout=1800)


def start(stack: Stack, code: str, token: str | None = None) -> subprocess.Popen[str]:
    """A session in a process of its own that does this."""
    folder = StackFolder.at(stack.data_dir)
    shown = folder.secret(spark.TOKEN).read_text().strip() if token is None else token
    process = subprocess.Popen(
        [sys.executable, "-c", SESSION, spark.remote_of(state.load(folder))],
        env={**os.environ, spark.TOKEN_VARIABLE: shown},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdin is not None
    process.stdin.write(code)
    process.stdin.close()
    process.stdin = None
    return process


def do(stack: Stack, code: str, token: str | None = None) -> str:
    """What the code prints; AssertionError with what it complains of."""
    process = start(stack, code, token)
    output, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors[-3000:]
    return output.strip()


def service(stack: Stack) -> dict[str, Any]:
    [found] = [each for each in stack.status()["services"] if each["name"] == "spark"]
    return dict(found)


def test_an_iceberg_table_is_made_in_the_stack_s_catalog(stack: Stack) -> None:
    made = "create table iceberg.main.doubles using iceberg as select id, id * 2 as d from range(100)"
    do(stack, f"session.sql('create namespace if not exists iceberg.main')\nsession.sql('{made}')")
    assert do(stack, "print(session.sql('select sum(d) from iceberg.main.doubles').collect()[0][0])") == "9900"


def test_spark_and_delta_rs_writing_at_once_lose_no_commit(stack: Stack) -> None:
    options = stack.storage_options()
    deltalake.write_deltalake(MIXED, pa.table({"n": pa.array([0], pa.int64())}), storage_options=options)
    append = f"session.range(1).selectExpr('id as n').write.format('delta').mode('append').save('{MIXED}')"
    sessions = [start(stack, f"for _ in range({APPENDS}):\n    {append}") for _ in range(2)]
    for number in range(OTHERS):
        row = pa.table({"n": pa.array([number], pa.int64())})
        deltalake.write_deltalake(MIXED, row, mode="append", storage_options=options)
    for session in sessions:
        _, errors = session.communicate(timeout=240)
        assert session.returncode == 0, errors[-3000:]
    table = deltalake.DeltaTable(MIXED, storage_options=options)
    assert table.to_pyarrow_table().num_rows == 1 + OTHERS + 2 * APPENDS
    assert table.version() == OTHERS + 2 * APPENDS


def test_a_session_without_the_token_is_refused(stack: Stack) -> None:
    with pytest.raises(AssertionError, match="Invalid authentication token"):
        do(stack, "print(session.range(1).count())", token="a guess")


@pytest.mark.skipif(sandbox.landlock_abi() == 0, reason="this kernel has no Landlock")
def test_python_functions_of_a_session_read_no_secret_of_the_stack(stack: Stack) -> None:
    targets = [str(stack.data_dir / name) for name in ("secrets/operator.token", "stack.json", "s3/security.toml")]
    assert all(Path(target).read_bytes() for target in targets)
    look = f"""
from pyspark.sql.functions import udf
def look(_):
    found = []
    for target in {targets}:
        try:
            open(target).read()
            found.append(target)
        except PermissionError:
            pass
    return ",".join(found) or "nothing"
print(session.range(1).select(udf(look)("id")).collect()[0][0])
"""
    assert do(stack, look) == "nothing"


def test_no_secret_is_in_a_log_or_a_command_line_and_sessions_cannot_ask_for_one(stack: Stack) -> None:
    folder = stack.data_dir / "secrets"
    secrets = {json.loads(path.read_text()).get("secret_key") for path in folder.glob("s3-*.json")} - {None}
    secrets |= {path.read_text().strip() for path in folder.glob("*.token")}
    assert len(secrets) >= 5
    texts = {str(path): path.read_text(errors="replace") for path in (stack.data_dir / "logs").iterdir()}
    texts["command line"] = " ".join(psutil.Process(service(stack)["pid"]).cmdline())
    texts["configuration"] = do(stack, "print(session.sql('set -v').collect(), session.sql('set').collect())")
    assert not [name for name, text in texts.items() for secret in secrets if secret in text]


@pytest.mark.parametrize("mode", ["connect", "isolated"])
def test_the_stack_s_own_executor_works_on_its_tables_in_both_modes(stack: Stack, mode: str, tmp_path: Path) -> None:
    table = f"iceberg.main.own_{mode}"
    sql = f"create namespace if not exists iceberg.main; create table {table} using iceberg as select id from range(7)"
    template = {
        "name": f"own-{mode}",
        "kind": "spark",
        "config": {"sql": f"{sql}; select * from {table}", "mode": mode},
    }
    (tmp_path / "own.yaml").write_text(json.dumps(template))
    stack.run("templates", "apply", str(tmp_path / "own.yaml"))
    submitted = stack.json("submit", f"own-{mode}", "--follow", timeout=300)
    run = stack.json("runs", "show", str(submitted["number"]))
    assert (run["state"], run["result"]["mode"], run["result"]["row_count"]) == ("succeeded", mode, 7)


def test_it_listens_on_loopback_alone_and_tells_its_heap(stack: Stack) -> None:
    listening = [c.laddr for c in psutil.Process(service(stack)["pid"]).net_connections() if c.status == "LISTEN"]
    assert {address.ip.removeprefix("::ffff:") for address in listening} == {"127.0.0.1"}
    assert service(stack)["memory_cap_bytes"] == 2**30


def test_a_run_that_takes_all_its_memory_says_so_and_the_server_comes_back(stack: Stack, tmp_path: Path) -> None:
    before = service(stack)["pid"]
    sql = "select size(sequence(1, 250000000)) as n"  # a gigabyte in one array
    template = {"name": "greedy", "kind": "spark", "config": {"sql": sql}, "retry": {"max_attempts": 1}}
    (tmp_path / "greedy.yaml").write_text(json.dumps(template))
    stack.run("templates", "apply", str(tmp_path / "greedy.yaml"))
    submitted = json.loads(stack.run("submit", "greedy", "--follow", "--json", timeout=300, check=False).stdout)
    error = stack.json("runs", "show", str(submitted["number"]))["error"]
    assert (error["class"], error["code"]) == ("resources", "server_out_of_memory"), error
    wait_until(lambda: service(stack)["pid"] not in (None, before), seconds=60, what="another Spark", every=0.5)
    wait_until(lambda: stack.status()["phase"] == "ready", seconds=240, what="the stack to be ready", every=1)
    assert do(stack, "print(session.range(10).count())") == "10"


def test_killed_it_comes_back_and_down_ends_it(stack: Stack) -> None:
    before = service(stack)["pid"]
    kill(before)
    wait_until(lambda: service(stack)["pid"] not in (None, before), seconds=60, what="another Spark", every=0.5)
    wait_until(lambda: stack.status()["phase"] == "ready", seconds=240, what="the stack to be ready", every=1)
    assert do(stack, "print(session.range(10).count())") == "10"
    pid = service(stack)["pid"]
    stack.run("down", "--drain", "1")
    assert not psutil.pid_exists(pid)


def test_one_that_has_grown_is_started_anew_once_nobody_uses_it(tmp_path: Path) -> None:
    stack = Stack(tmp_path / ".control-room")
    ensure_installed(stack)
    try:
        stack.run("up", "--with", "spark", "--executors", "python=1", timeout=600, OPS_SPARK_IDLE_SECONDS="15")
        before = service(stack)["pid"]
        time.sleep(25)  # so that it is known how much it held when it was new
        assert service(stack)["pid"] == before, "it had not grown"
        large = "print(session.range(9000000).selectExpr('collect_list(id) l').selectExpr('size(l) n').first().n)"
        assert do(stack, large) == "9000000"
        wait_until(lambda: service(stack)["pid"] not in (None, before), seconds=90, what="another Spark", every=0.5)
        wait_until(lambda: stack.status()["phase"] == "ready", seconds=240, what="the stack to be ready", every=1)
        assert "no client for" in service(stack)["last_error"]
        assert do(stack, "print(session.range(10).count())") == "10"
    finally:
        stack.run("down", "--drain", "1", check=False)
