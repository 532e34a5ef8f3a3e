"""SQL scripts taken apart, values bound, errors classified, progress counted: without Spark."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executors.runtime.failures import TaskError
from executors.spark import tables
from executors.spark.binding import Bound, bind
from executors.spark.config import SparkConfig, parse_config
from executors.spark.failure import Scene, Told, classified, failure_of
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


def test_a_connection_that_broke_is_told_without_the_clients_objects() -> None:
    grpc = pytest.importorskip("grpc", reason="Spark's client is not installed")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel, pytest.raises(grpc.RpcError) as broken:
        channel.unary_unary("/spark.connect.SparkConnectService/Config")(b"", timeout=10)
    found = failure_of(broken.value, scene(sent=False))
    assert found.code == "spark_unreachable"
    assert "Connection refused" in found.message
    assert "RpcError" not in found.message
    assert len(found.message.splitlines()) == 1
