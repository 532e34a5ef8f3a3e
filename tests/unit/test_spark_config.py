"""Where a run's Spark is, by template and settings: modes, settings of drivers, what a run is given of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executors.runtime.failures import TaskError
from executors.spark.config import ISOLATED, parse_config
from executors.spark.driver import LEAST_HEAP, Driver, heap_bytes, properties, properties_text
from executors.spark.settings import Target, chosen_mode, properties_of
from tests.unit.test_spark_statements import NO_CLIENT, config


@pytest.mark.parametrize(
    ("wanted", "remote", "mode", "why"),
    [
        (None, "sc://x", "connect", "warm server"),
        (None, "", "isolated", "no Spark Connect server"),
        ("isolated", "sc://x", "isolated", "the template says so"),
    ],
)
def test_the_mode_is_chosen_with_a_reason(wanted: str | None, remote: str, mode: str, why: str) -> None:
    found = chosen_mode(wanted, remote)
    assert found[0] == mode
    assert why in found[1]


def test_connect_without_a_server_is_refused() -> None:
    with pytest.raises(TaskError, match="OPS_SPARK_REMOTE"):
        chosen_mode("connect", "")


@pytest.mark.parametrize(
    ("job", "words"),
    [
        ({"config": {"sql": "select 1", "sesion": 1}}, "config.sesion"),
        ({"config": {"sql": "select 1", "mode": "fast"}}, "config.mode"),
        ({"config": {"sql": "select 1", "conf": {"x y": 1}}}, "config.conf.x y"),
        ({"config": {"sql": ";"}}, "no statement"),
        ({"config": {"sql": "drop table t", "read_only": True}}, "read_only"),
        ({"config": {"sql": "select 1"}, "entrypoint": "task:main"}, "config.sql"),
        ({"config": {"read_only": True}, "entrypoint": "job.py"}, "config.read_only"),
    ],
)
def test_a_wrong_config_is_told_by_its_key(job: dict[str, Any], words: str) -> None:
    with pytest.raises(TaskError, match=words):
        parse_config(job)


@pytest.mark.parametrize(
    "name",
    [
        "spark.jars",
        "spark.jars.packages",
        "spark.plugins",
        "spark.driver.defaultJavaOptions",
        "spark.driver.extraJavaOptions",
        "spark.executor.extraClassPath",
        "spark.driver.extraLibraryPath",
        "spark.extraListeners",
        "spark.sql.extensions",
        "spark.submit.pyFiles",
        "spark.connect.grpc.binding.address",
        "spark.connect.grpc.interceptor.classes",
        "spark.driver.memory",
        "spark.executor.pyspark.memory",
        "spark.executorEnv.LD_PRELOAD",
        "spark.pyspark.python",
        "spark.driver.resource.gpu.discoveryScript",
        "spark.sql.hive.metastore.jars.path",
        "spark.master",
        "spark.driver.Memory",
    ],
)
@pytest.mark.parametrize("mode", ["connect", "isolated"])
def test_settings_that_load_code_or_are_the_platform_s_are_refused(name: str, mode: str) -> None:
    with pytest.raises(TaskError, match=f"config.conf.{name} is no template's to set") as refused:
        config("select 1", mode=mode, conf={name: "1"})
    assert (refused.value.failure_class, refused.value.code) == ("user", "config_invalid")


@pytest.mark.parametrize(
    "name",
    [
        "spark.sql.shuffle.partitions",
        "spark.sql.catalog.mine.warehouse",
        "spark.sql.adaptive.enabled",
        "spark.memory.fraction",
        "spark.sql.files.maxPartitionBytes",
        "spark.hadoop.fs.s3a.connection.maximum",
        "spark.executor.cores",
        "spark.rdd.compress",
    ],
)
def test_other_settings_are_a_template_s_own(name: str) -> None:
    assert config("select 1", conf={name: 8}).conf == {name: "8"}


@pytest.mark.parametrize("value", ["x\nspark.driver.memory=3g", "x\rspark.master=local", "x\x00"])
def test_a_setting_s_value_has_no_line_break(value: str) -> None:
    with pytest.raises(TaskError, match=r"config\.conf\.spark\.zzz .*control character"):
        config("select 1", conf={"spark.zzz": value})


NAMES = st.from_regex(r"spark\.[a-z]{1,8}", fullmatch=True)


@given(st.dictionaries(NAMES, st.text(st.characters(codec="utf-8"), min_size=1)))
def test_each_setting_arrives_at_the_driver_as_it_is_whatever_is_in_it(settings: dict[str, str]) -> None:
    settings = {**settings, "spark.last.of.all": "x"}
    written = properties_text(settings)
    assert written.isascii()
    assert len(written.splitlines()) == len(settings)
    assert properties_of(written) == settings


def test_a_properties_file_is_read_as_java_reads_it() -> None:
    text = "spark.a=x\\\n   y\nspark.b C\\:\\\\z\nspark.c=\\u0041\\n\n! x=1\n"
    assert properties_of(text) == {"spark.a": "xy", "spark.b": "C:\\z", "spark.c": "A\n"}


def test_a_driver_gets_its_run_s_cap_as_heap_and_the_executor_s_settings_below_its_own() -> None:
    assert heap_bytes({"memory_bytes": 4 * 2**30}) == 4 * 2**30 - int(4 * 2**30 * 0.2)
    assert heap_bytes({"memory_bytes": 2**20}) == LEAST_HEAP
    given = properties_of("# note\nspark.jars=/a.jar,/b.jar\nspark.ui.enabled true\nspark.driver.memory=9g\n")
    target = Target(ISOLATED, "…", master="local[2]", properties=given)
    told = properties(target, config("select 1", conf={"spark.sql.shuffle.partitions": 8}), Path("/w"), 2**30, 4041)
    assert told["spark.jars"] == "/a.jar,/b.jar"
    assert (told["spark.driver.memory"], told["spark.ui.enabled"]) == ("1024m", "false")
    assert told["spark.sql.shuffle.partitions"] == "8"
    assert told["spark.connect.grpc.binding.port"] == "4041"
    assert {told["spark.local.dir"], told["spark.hadoop.fs.s3a.buffer.dir"]} == {"/w"}  # it may write nowhere else
    assert "+ExitOnOutOfMemoryError" in told["spark.driver.extraJavaOptions"]


@pytest.mark.parametrize(("code", "expected"), [(3, "out_of_memory"), (52, "out_of_memory"), (1, "driver_lost")])
def test_how_a_driver_died_is_told_by_its_exit_code(code: int, expected: str) -> None:
    import subprocess
    import sys

    with subprocess.Popen([sys.executable, "-c", f"raise SystemExit({code})"]) as process:
        found = Driver(process, Target(ISOLATED, "…"), 2**30).died()
    assert found is not None
    assert found.code == expected


@pytest.mark.parametrize(("mode", "kept", "own"), [("connect", "token", None), ("isolated", "properties", "isolated")])
def test_a_run_is_given_what_its_mode_takes_and_sql_on_an_own_driver_an_own_process(
    mode: str, kept: str, own: str | None
) -> None:
    pytest.importorskip("pyspark", reason=NO_CLIENT)
    from executors.spark.executor import own_module, prepare

    known = {"kind": "spark", "remote": "sc://x", "token": "t", "properties": {"spark.hadoop.fs.s3a.secret.key": "k"}}
    job: dict[str, Any] = {"config": {"sql": "select 1", "mode": mode}, "connections": {"spark": known}}
    prepare(job)
    assert {"token", "properties"} & set(job["connections"]["spark"]) == {kept}
    assert own_module(job) == (f"executors.spark.{own}" if own else None)


@pytest.mark.parametrize("mode", ["connect", "isolated"])
def test_a_run_that_names_another_spark_is_given_nothing_of_the_executor_s_own(mode: str) -> None:
    pytest.importorskip("pyspark", reason=NO_CLIENT)
    from executors.spark.executor import prepare

    known = {"kind": "spark", "remote": "sc://x", "token": "t", "properties": {"spark.hadoop.fs.s3a.secret.key": "k"}}
    connections = {"spark": known, "cluster": {**known, "token": "u"}, "lake": {"kind": "s3"}}
    job: dict[str, Any] = {"config": {"sql": "select 1", "mode": mode, "connection": "cluster"}}
    job |= {"connections": connections}
    prepare(job)
    assert set(job["connections"]) == {"cluster", "lake"}


def test_the_kit_s_workload_and_a_run_that_names_no_mode_have_a_process_of_their_own_without_a_server() -> None:
    pytest.importorskip("pyspark", reason=NO_CLIENT)
    from executors.spark.executor import own_module

    connections = {"spark": {"kind": "spark", "remote": ""}}
    for job in ({"config": {"sql": "select 1"}}, {"entrypoint": "conformance:run"}):
        assert own_module({**job, "connections": connections}) == "executors.spark.isolated"


def test_no_child_may_read_the_token_and_the_driver_s_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyspark", reason=NO_CLIENT)
    from executors.runtime.main import make_pool
    from executors.runtime.settings import ExecutorSettings
    from executors.spark.executor import configured

    files = {"OPS_SPARK_TOKEN_FILE": tmp_path / "spark.token", "OPS_SPARK_PROPERTIES_FILE": tmp_path / "driver"}
    for name, path in files.items():
        monkeypatch.setenv(name, str(path))
    kind, work = configured(), tmp_path / "work"
    assert set(kind.secret_files) == set(map(str, files.values()))
    pool = make_pool(kind, ExecutorSettings(work_dir=work), work, work / "spark-0")
    assert {*kind.secret_files, str(work)} <= set(pool.spec.hide)
