"""Engines of the stack: what is asked for, and how Trino is configured."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

import pytest

from control_room.errors import ControlRoomError
from control_room.local import engines, spark_config, trino, trino_config
from control_room.local.folder import StackFolder
from control_room.local.state import StackState
from control_room.local.trino_config import Layout

GIB = 2**30
CAPS = (
    *("query_max_run_time", "query_max_execution_time", "query_max_planning_time", "query_max_cpu_time"),
    *("query_max_memory", "query_max_total_memory", "query_max_memory_per_node", "query_max_scan_physical_bytes"),
)


def a_layout(heap: int = GIB) -> Layout:
    return Layout(
        etc=Path("/d/trino/etc"),
        data=Path("/d/trino/data"),
        server=Path("/d/secrets/trino-server.pem"),
        passwords=Path("/d/secrets/trino-passwords.db"),
        node_id="control-room-x",
        heap=heap,
        port=4001,
        internal_port=4002,
        s3="http://127.0.0.1:4003",
        region="us-east-1",
        catalog="http://127.0.0.1:4004",
        lakehouse="s3://lakehouse",
        warehouse="s3://warehouse",
    )


def read(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines())


def megabytes(text: str) -> int:
    return int(text.removesuffix("MB"))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [(None, None), ("none", {}), ("", {}), ("trino", {"trino": "1G"}), ("trino=1536m", {"trino": "1536M"}),
     (" trino=2G ,", {"trino": "2G"}), ("trino,spark=2G", {"trino": "1G", "spark": "2G"})],
)  # fmt: skip
def test_engines_are_named_with_their_heap(text: str | None, wanted: dict[str, str] | None) -> None:
    assert engines.parse(text) == wanted


@pytest.mark.parametrize("heap", ["", "0G", "512M", "1", "1.5G", "lots", "1T", "-1G"])
def test_a_heap_that_is_none_or_too_small_is_refused(heap: str) -> None:
    with pytest.raises(ControlRoomError, match="no heap size of at least 768M"):
        engines.heap_bytes(heap)


def test_an_engine_that_the_stack_has_not_is_refused_with_those_it_has() -> None:
    with pytest.raises(ControlRoomError, match="the stack has no 'flink'") as refused:
        engines.check({"flink": "1G"})
    assert "trino" in refused.value.next_step


def test_an_engine_that_is_not_installed_is_refused_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPS_ENGINES_DIR", str(tmp_path))
    with pytest.raises(ControlRoomError, match="not installed") as refused:
        engines.check({"trino": "1G"})
    assert "`control-room engines install trino`" in refused.value.next_step


def test_an_engine_brings_its_executor_where_that_is_installed_and_a_chosen_number_of_slots_stays() -> None:
    with_trino = StackState(engines={"trino": "1G"}, executors={"python": 2})
    expected = {"python": 2, "trino": 2} if engines.has_executor("trino") else {"python": 2}
    assert engines.executors_of(with_trino) == expected
    with_trino.executors["trino"] = 5
    assert engines.executors_of(with_trino)["trino"] == 5
    assert engines.executors_of(StackState(executors={"python": 2})) == {"python": 2}


@pytest.mark.parametrize("heap", [engines.LEAST_HEAP, GIB, 8 * GIB])
def test_what_queries_may_take_and_what_stays_free_fit_into_the_heap(heap: int) -> None:
    config = read(trino_config.files(a_layout(heap))["config.properties"])
    query, headroom = megabytes(config["query.max-memory-per-node"]), megabytes(config["memory.heap-headroom-per-node"])
    assert config["query.max-memory"] == config["query.max-memory-per-node"]
    assert 0 < query < heap // 2**20 - headroom
    assert f"-Xmx{heap // 2**20}M" in trino_config.jvm(a_layout(heap))


def test_a_small_server_compiles_quickly_and_a_large_one_well() -> None:
    assert "TieredStopAtLevel=1" in trino_config.jvm(a_layout(GIB))
    assert "TieredStopAtLevel" not in trino_config.jvm(a_layout(2 * GIB))


def test_it_listens_on_loopback_and_asks_everybody_for_a_password() -> None:
    files = trino_config.files(a_layout())
    node, config = read(files["node.properties"]), read(files["config.properties"])
    assert node["node.bind-ip"] == node["node.internal-address"] == "127.0.0.1"
    assert config["http-server.authentication.type"] == "PASSWORD"
    assert "http-server.authentication.allow-insecure-over-http" not in config


def test_no_file_holds_a_secret_but_the_name_of_a_variable() -> None:
    secret = re.compile(r"secret|credential|access-key")
    for name, content in trino_config.files(a_layout()).items():
        if name.endswith(".properties"):
            values = {value for key, value in read(content).items() if secret.search(key)}
            assert all(re.fullmatch(r"(\$\{ENV:\w+\}:?)+", value) for value in values), (name, values)


def decides(user: str, name: str) -> bool:
    """Trino's rule: the first one that matches, no match is a refusal."""
    for rule in trino_config.rules()["system_session_properties"]:
        if re.fullmatch(rule.get("user", ".*"), user) and re.fullmatch(rule.get("property", ".*"), name):
            return bool(rule["allow"])
    return False


@pytest.mark.parametrize("name", CAPS)
def test_the_executor_alone_sets_caps(name: str) -> None:
    assert decides(trino_config.EXECUTOR, name)
    assert not decides(trino_config.OPERATOR, name)


@pytest.mark.parametrize("name", ["resource_overcommit", "query_priority", "query_max_stage_count"])
@pytest.mark.parametrize("user", [trino_config.EXECUTOR, trino_config.OPERATOR])
def test_nobody_sets_what_takes_from_others(user: str, name: str) -> None:
    assert not decides(user, name)
    assert decides(user, "join_distribution_type")


def test_a_password_line_is_what_trino_computes_and_stays_while_the_password_does() -> None:
    line = trino_config.password_line("ann", "a password")
    user, rounds, salt, digest = line.strip().split(":")
    computed = hashlib.pbkdf2_hmac("sha1", b"a password", bytes.fromhex(salt), int(rounds), 64)
    assert (user, computed.hex()) == ("ann", digest)
    assert trino_config.password_line("ann", "a password") == line
    assert trino_config.password_line("bob", "a password").split(":")[2:] != line.split(":")[2:]


def test_an_executor_is_told_the_stack_s_own_trino(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = StackFolder.at(tmp_path)
    own = StackState(engines={"trino": "1G"}, ports={"trino": 4001})
    monkeypatch.setenv("OPS_TRINO_URL", "https://another.example")
    told = trino.executor_environment(folder, own)
    assert told["OPS_TRINO_URL"] == "https://127.0.0.1:4001"
    assert Path(told["OPS_TRINO_PASSWORD_FILE"]).parent == tmp_path / "secrets"
    assert Path(told["OPS_TRINO_CA_FILE"]).parent == tmp_path


def test_without_one_it_is_told_what_our_environment_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("OPS_TRINO_")]:
        monkeypatch.delenv(name)
    assert trino.executor_environment(StackFolder.at(tmp_path), StackState()) == {}
    monkeypatch.setenv("OPS_TRINO_URL", "https://another.example")
    told = trino.executor_environment(StackFolder.at(tmp_path), StackState())
    assert told == {"OPS_TRINO_URL": "https://another.example"}


def test_the_same_configuration_is_written_twice_the_same(tmp_path: Path) -> None:
    folder = StackFolder.at(tmp_path)
    folder.ensure()
    state = StackState(engines={"trino": "1G"}, ports={"trino": 1, "trino_internal": 2, "s3": 3, "s3_iceberg": 4})
    trino.write_configuration(folder, state)
    written = contents(folder)
    trino.write_configuration(folder, state)
    assert contents(folder) == written
    assert all(path.stat().st_mode & 0o077 == 0 for path in written)


def contents(folder: StackFolder) -> dict[Path, bytes]:
    found = [path for path in folder.root.rglob("*") if path.is_file() and path.name != ".gitignore"]
    return {path: path.read_bytes() for path in found}


def a_spark_layout(cores: int = 2) -> spark_config.Layout:
    return spark_config.Layout(
        jars=[Path("/cache/a.jar"), Path("/cache/b.jar")],
        scratch=Path("/d/spark/tmp"),
        heap=GIB,
        cores=cores,
        port=4005,
        s3="http://127.0.0.1:4003",
        region="us-east-1",
        catalog="http://127.0.0.1:4004",
        credential="key:secret",
        warehouse="s3://warehouse",
        lakehouse="s3://lakehouse",
    )


def test_spark_listens_on_loopback_shows_no_page_and_closes_the_ports_of_its_parts() -> None:
    told = read(spark_config.properties(a_spark_layout()))
    assert told["spark.driver.bindAddress"] == told["spark.connect.grpc.binding.address"] == "127.0.0.1"
    assert told["spark.ui.enabled"] == "false"
    assert told["spark.authenticate"] == "true"
    assert told["spark.driver.memory"] == "1024m"


def test_spark_writes_delta_by_conditional_put_under_both_names_of_s3_and_never_skips_the_check() -> None:
    told = read(spark_config.properties(a_spark_layout()))
    assert {told[f"spark.delta.logStore.{scheme}.impl"] for scheme in ("s3", "s3a")} == {spark_config.LOG_STORE}
    assert not [name for name in told if "performance.flags" in name]


def test_spark_s_keys_to_the_store_are_not_in_its_configuration() -> None:
    told = read(spark_config.properties(a_spark_layout()))
    assert not [name for name in told if "access.key" in name or "secret.key" in name]


def test_a_driver_of_one_run_reaches_the_same_tables_with_keys_of_its_own_and_is_no_server() -> None:
    told = read(spark_config.driver_properties(a_spark_layout(), "ak", "sk"))
    server = read(spark_config.properties(a_spark_layout()))
    same = [name for name in server if name.startswith(("spark.sql.", "spark.delta.", "spark.jars"))]
    assert {name: told[name] for name in same} == {name: server[name] for name in same}
    assert (told["spark.hadoop.fs.s3a.access.key"], told["spark.hadoop.fs.s3a.secret.key"]) == ("ak", "sk")
    assert not [name for name in told if name.startswith(("spark.connect.", "spark.driver.", "spark.master"))]


def test_what_a_client_that_is_gone_left_at_work_ends_soon() -> None:
    told = read(spark_config.properties(a_spark_layout()))
    names = ("manager.detachedTimeout", "reattachable.senderMaxStreamDuration")
    assert [told[f"spark.connect.execute.{name}"] for name in names] == ["10s", "10s"]


def test_a_large_machine_gives_spark_some_of_its_cores() -> None:
    assert read(spark_config.properties(a_spark_layout(cores=64)))["spark.master"] == "local[4]"
