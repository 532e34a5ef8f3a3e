"""SQL scripts taken apart, values bound, errors classified, drivers configured: without Spark."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executors.runtime.failures import TaskError
from executors.spark import tables
from executors.spark.binding import Bound, bind
from executors.spark.config import ISOLATED, SparkConfig, parse_config
from executors.spark.driver import LEAST_HEAP, Driver, heap_bytes, properties, properties_text
from executors.spark.failure import Scene, Told, classified, failure_of
from executors.spark.settings import Target, chosen_mode, properties_of
from executors.spark.statements import split
from executors.spark.watch import Tally, progress_of

SCRIPT = r"""-- a comment; with a semicolon
select ';', ":no", 'it\'s' /* ; :not */ from t where a = :a and b = :b;
  insert into `My Cat`.s.`t``q` select 1;;
begin declare x int = 1; if x = 1 then select case when x = 1 then 'a;' end; end if; end;
select r'\' as raw, ?"""


class Refused(Exception):  # noqa: N818 - it says what happened
    """An exception as the client raises it."""

    def __init__(self, text: str, condition: str = "", state: str = "", status: str = "INTERNAL") -> None:
        super().__init__(text)
        self._told = condition, state, type("Status", (), {"name": status})

    def getCondition(self) -> str:  # noqa: N802 - the client's names
        return self._told[0]

    def getSqlState(self) -> str:  # noqa: N802
        return self._told[1]

    def getGrpcStatusCode(self) -> Any:  # noqa: N802
        return self._told[2]


def config(sql: str, **more: Any) -> SparkConfig:
    return parse_config({"config": {"sql": sql, **more}})


def scene(sql: str = "insert into t select 1", **more: Any) -> Scene:
    return Scene(config(sql), 1, "sc://localhost:1", **more)


def test_a_script_is_divided_outside_quotes_comments_and_blocks() -> None:
    first, second, block, last = split(SCRIPT)
    assert (first.part.line, first.part.column, first.kind) == (2, 1, "read")
    assert (second.part.line, second.part.column, second.target) == (3, 3, ("`My Cat`", "s", "`t``q`"))
    assert block.sql.endswith("end if; end")
    assert (block.kind, block.target) == ("write", None)
    assert [token.text for token in last.part.tokens if token.kind == "mark"] == ["?"]


@pytest.mark.parametrize(
    ("sql", "kind", "planned", "returns"),
    [
        ("select 1", "read", False, True),
        ("with x as (select 1) select * from x", "read", False, True),
        ("with x as (select 1) insert into t select * from x", "write", False, False),
        ("from x insert into a select 1 insert into a select 2", "write", False, False),
        ("create or replace temporary view v as select 1", "read", False, False),
        ("create view v as select 1", "write", True, False),
        ("set spark.sql.ansi.enabled = false", "read", False, False),
        ("set spark.sql.ansi.enabled", "read", False, True),
        ("merge into t using s on true when matched then delete", "write", True, False),
        ("call iceberg.system.expire_snapshots('t')", "write", False, False),
    ],
)
def test_what_reads_what_writes_what_is_planned_and_what_returns(
    sql: str, kind: str, planned: bool, returns: bool
) -> None:
    (found,) = split(sql)
    assert (found.kind, found.planned, found.returns) == (kind, planned, returns)


def test_a_statement_that_writes_one_table_twice_gets_no_mark_under_which_the_second_would_be_left_out() -> None:
    (twice,) = split("from x insert into a select 1 insert into a select 2")
    assert twice.target is None
    assert tables.marks("m")["spark.databricks.delta.write.txnAppId"] == "m"


def test_the_place_of_a_table_is_not_taken_from_a_column_of_that_name() -> None:
    columns = [{"col_name": "Location", "data_type": "string"}, {"col_name": "Provider", "data_type": "int"}]
    told = [{"col_name": "Location", "data_type": "s3://x"}, {"col_name": "Provider", "data_type": "delta"}]
    found = tables.details([*columns, {"col_name": tables.DETAILS, "data_type": ""}, *told])
    assert (found["Location"], found["Provider"]) == ("s3://x", "delta")
    assert tables.details(columns) == {}


def bound(sql: str, params: dict[str, Any], types: dict[str, str] | None = None, order: tuple[str, ...] = ()) -> Bound:
    return bind(split(sql)[0].part.tokens, params, types or {}, order)


@pytest.mark.parametrize(
    ("value", "declared", "expected"),
    [
        ("2013-01-02", "date", "CAST('2013-01-02' AS date)"),
        ("1.5", "decimal(10,2)", "CAST('1.5' AS decimal(10,2))"),
        ([1, None], "array<bigint>", "CAST(array(CAST(1 AS bigint), CAST(NULL AS bigint)) AS array<bigint>)"),
        (5.0, "int", "CAST(5 AS int)"),
        ({"a": 1}, None, "map('a', CAST(1 AS BIGINT))"),
        (2**70, None, f"{2**70}BD"),
        ("it's \\", None, "decode(unhex('69742773205c'), 'UTF-8')"),
        ("grüße", None, "'grüße'"),
        (None, "date", "CAST(NULL AS date)"),
    ],
)
def test_a_value_goes_in_as_an_expression_of_its_type(value: Any, declared: str | None, expected: str) -> None:
    types = {"x": declared} if declared else {}
    assert bound("select :x, ':x'", {"x": value}, types).sql == f"select {expected}, ':x'"
    assert bound("select ?", {"x": value}, types, ("x",)).sql == f"select {expected}"


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_no_text_ends_its_literal(text: str) -> None:
    found = bound("select :x", {"x": text}).sql.removeprefix("select ")
    inner = found.removeprefix("decode(unhex(").removesuffix(", 'UTF-8')").removesuffix(")")
    if not found.startswith("decode("):
        inner = found
    assert inner[0] == inner[-1] == "'"
    assert not set("'\\") & set(inner[1:-1])


def test_a_place_in_the_statement_as_sent_is_one_in_the_statement_as_written() -> None:
    written = "select :a + nope - :b + zz"
    found = bound(written, {"a": 1, "b": 2})
    for word in ("select", "nope", "zz"):
        assert found.written_at(found.sql.index(word)) == written.index(word)
    assert found.written_at(found.sql.index("CAST") + 5) == written.index(":a")


@pytest.mark.parametrize(
    ("value", "declared"),
    [("soon", "date"), ("x", "decimal(4,1)"), (2**40, "int"), (1.5, "bigint"), (1, "boolean"), (1, "geometry"),
     ("x", "array<int>"), ("?", "binary"), (float("inf"), "double"), (True, "int"), ([], "array<int) -->"),
     (1, "int) --")],
)  # fmt: skip
def test_a_value_that_is_not_of_its_type_is_refused_with_the_param_s_name(value: Any, declared: str) -> None:
    with pytest.raises(TaskError, match="param 'x'") as refused:
        bound("select :x", {"x": value}, {"x": declared})
    assert (refused.value.failure_class, refused.value.code) == ("user", "parameter_invalid")


def test_marks_without_as_many_params_are_refused() -> None:
    with pytest.raises(TaskError, match=r"2 '\?'"):
        bound("select ?, ?", {"a": 1}, {}, ("a",))
    with pytest.raises(TaskError, match="no param 'b'"):
        bound("select :b", {"a": 1})


@pytest.mark.parametrize(
    ("text", "condition", "state", "expected"),
    [
        ("no such table", "TABLE_OR_VIEW_NOT_FOUND", "42P01", ("user", "table_or_view_not_found")),
        ("Java heap space", "USER_RAISED_EXCEPTION", "P0001", ("user", "user_raised_exception")),
        ("[DELTA_CONCURRENT_APPEND.WITHOUT_HINT] …", "DELTA_CONCURRENT_APPEND.WITHOUT_HINT", "2D521",
         ("external", "concurrent_write")),
        ("(org.apache.iceberg.exceptions.CommitFailedException) …", "", "", ("external", "concurrent_write")),
        ("Job aborted: java.lang.OutOfMemoryError: Java heap space", "", "", ("resources", "out_of_memory")),
        ("is bigger than spark.driver.maxResultSize (1024 MiB)", "", "XXKDA", ("resources", "result_too_large")),
        ("(S3Exception) Status Code: 403, …", "FAILED_READ_FILE", "KD001", ("external", "credentials_refused")),
        ("it broke", "INTERNAL_ERROR", "XX000", ("internal", "internal_error")),
        ("it broke", "", "", ("internal", "spark_failed")),
    ],
)  # fmt: skip
def test_the_class_follows_from_sqlstate_and_cause(
    text: str, condition: str, state: str, expected: tuple[str, str]
) -> None:
    assert classified(Told(text, "", condition, state)) == expected


@pytest.mark.parametrize(
    ("sql", "more", "expected"),
    [
        ("select 1", {}, ("external", "connection_lost")),
        ("insert into t select 1", {}, ("external", "outcome_unknown")),
        ("select 1", {"sent": False}, ("external", "spark_unreachable")),
        ("select 1", {"wrote": True}, ("external", "partly_written")),
        ("insert into t select 1", {"died": TaskError("resources", "out_of_memory", "…")},
         ("resources", "out_of_memory")),
    ],
)  # fmt: skip
def test_what_a_lost_connection_means(sql: str, more: dict[str, Any], expected: tuple[str, str]) -> None:
    found = failure_of(Refused("Connection refused", status="UNAVAILABLE"), scene(sql, **more))
    assert (found.failure_class, found.code) == expected


def test_a_server_started_anew_does_not_know_the_session() -> None:
    found = failure_of(Refused("…", "INVALID_HANDLE.SESSION_NOT_FOUND", "HY000"), scene())
    assert found.code == "outcome_unknown"


def test_an_error_is_placed_in_the_script_and_told_without_its_plan() -> None:
    message = "[TABLE_OR_VIEW_NOT_FOUND] gone. SQLSTATE: 42P01"
    text = f"{message}; line 1 pos 14;\n'Project [*]\n\n\nJVM stacktrace:\nx.Y\n\tat z"
    found = failure_of(Refused(text, "TABLE_OR_VIEW_NOT_FOUND", "42P01"), scene("\n  select * from nope"))
    assert found.message == message
    assert found.position == {"statement": 1, "line": 2, "column": 17}
    assert "x.Y" in (found.trace or "")


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


def test_progress_and_usage_are_in_spark_s_terms() -> None:
    stage = type("Stage", (), {"num_tasks": 8, "num_completed_tasks": 5, "num_bytes_read": 100, "done": False})
    told = progress_of([stage], 2, "", 7)
    assert (told["current"], told["total"], told["unit"], told["fraction"]) == (5, 8, "tasks", 5 / 8)
    tally = Tally(rows_out=7)
    tally.hear([stage])
    tally.end(
        [("Scan parquet ", "filesSize", 500.0), ("Scan parquet ", "numOutputRows", 9.0), ("Sort", "spillSize", 3.0)]
    )
    expected = {"scanned_bytes": 500.0, "rows_read": 9.0, "spilled_bytes": 3.0, "tasks": 5.0, "rows_out": 7.0}
    assert expected.items() <= tally.usage().items()
    assert tally.breach({"rows_out": 6}) == ("rows_out", 6.0, 7.0)
    assert tally.breach({"rows_out": 7}) is None


NO_CLIENT = "pyspark is not installed: pip install 'lakehouse-control-room[spark]'"


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


def test_a_version_is_bound_as_the_literal_that_alone_stands_there() -> None:
    [statement] = split("select :v from t version as of :v join u for VERSION\n AS OF ?")
    tokens = statement.part.tokens
    bound = bind(tokens, {"v": 2**62, "w": "main"}, {"v": "bigint"}, ["w"]).sql
    assert bound == f"select CAST({2**62} AS bigint) from t version as of {2**62} join u for VERSION\n AS OF 'main'"
    for wrong in (True, 1.5, -1, "it's", None):
        with pytest.raises(TaskError, match="give a version"):
            bind(tokens, {"v": wrong, "w": 1}, {}, ["w"])


def test_a_table_that_spark_did_not_find_is_told_to_be_an_unreadable_input_when_it_is_one() -> None:
    pytest.importorskip("pyspark", reason=NO_CLIENT)
    from executors.spark.inputs import missed

    unread = {"gone": TaskError("user", "delta_missing", "input 'gone' cannot be read")}
    told = Told("The table or view `gone` cannot be found.", "", "TABLE_OR_VIEW_NOT_FOUND", "42P01")
    assert missed(told, unread) is unread["gone"]
    assert missed(Told("The table or view `other` cannot be found.", "", "TABLE_OR_VIEW_NOT_FOUND"), unread) is None
    assert missed(Told("`gone` is no column.", "", "UNRESOLVED_COLUMN"), unread) is None


def test_views_are_of_the_inputs_that_a_script_names_outside_of_its_comments() -> None:
    pytest.importorskip("pyspark", reason=NO_CLIENT)
    from executors.spark.inputs import named

    def found(sql: str, **params: Any) -> list[str]:
        names = ("orders", "line_items", "Ümlaut x")
        return [item["name"] for item in named([{"name": name} for name in names], split(sql), params)]

    assert found("select * from ORDERS -- and line_items") == ["orders"]
    assert found("select `ümlaut x`.a, orders_2, :line_items_version from b.`Ümlaut x`") == ["Ümlaut x"]
    assert found("/* orders */ select 1") == []
    assert found("execute immediate 'select * from line_items'") == ["line_items"]
    assert found("select * from identifier(:t)", t="orders") == ["orders"]


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
