"""How the error of a run is told: the place as a reader would write it, and the end of the trace."""

from __future__ import annotations

from typing import Any

import pytest

from control_room.commands.failures import error_line, error_text, failing_rows_text, position_text, trace_end

TRACE = """  File "load.py", line 3, in main
    first()
  File "load.py", line 6, in first
    second()
  File "steps/read.py", line 9, in second
    third()
    ^^^^^^^
  File "steps/read.py", line 12, in third
    json.loads(text)
  File "/usr/lib/python3.11/json/__init__.py", line 346, in loads
    return _default_decoder.decode(s)
JSONDecodeError: Expecting value
caused by OSError: no
"""


@pytest.mark.parametrize(
    ("position", "text"),
    [
        ({"file": "load.py", "line": 12, "function": "main"}, "load.py:12"),
        ({"file": "load.py", "line": 12, "column": 4}, "load.py:12:4"),
        ({"statement": 1, "line": 2, "column": 15}, "line 2:15"),
        ({"file": "report.ipynb", "cell": 0}, "report.ipynb cell 0"),
        ({"file": "models/m.sql", "node": "model.shop.orders"}, "models/m.sql (model orders)"),
        ({"file": "models/s.yml", "node": "test.shop.not_null_id.4f1c"}, "models/s.yml (test not_null_id)"),
        ({"node": "odd"}, "(odd)"),
        ({}, ""),
        (None, ""),
    ],
)
def test_a_position_is_written_as_people_write_it(position: dict[str, Any] | None, text: str) -> None:
    assert position_text(position) == text


def error(**fields: Any) -> dict[str, Any]:
    return {
        "class": "user",
        "code": "value_error",
        "message": "ValueError: no",
        "trace": None,
        "position": None,
    } | fields


def test_an_error_says_class_code_place_and_message() -> None:
    found = error(position={"file": "a.py", "line": 1})
    assert error_text(found) == "user/value_error at a.py:1: ValueError: no"
    assert error_text(error()) == "user/value_error: ValueError: no"
    assert error_text(None) == error_line(None) == ""


def test_the_cell_of_a_notebook_is_named_once() -> None:
    found = error(message="cell 3: ValueError: no", position={"file": "n.ipynb", "cell": 3})
    assert error_text(found) == "user/value_error at n.ipynb cell 3: ValueError: no"
    found = error(message="cell 3, line 4: ValueError: no", position={"file": "n.ipynb", "cell": 3, "line": 4})
    assert error_text(found) == "user/value_error at n.ipynb cell 3, line 4: ValueError: no"


def test_the_place_in_the_sql_of_a_template_is_named_once() -> None:
    found = error(message="statement 2 of 3: line 4:8: no table", position={"statement": 2, "line": 4, "column": 8})
    assert error_text(found) == "user/value_error at line 4:8: statement 2 of 3: no table"


def test_the_rows_that_tests_found_are_a_command_away() -> None:
    rows = [{"artifact": f"failing_rows/{name}.json"} for name in ("a", "b c", "d", "e", "f", "g", "h")]
    nodes = [{"name": "m"}, {"failing_rows": {"error": "gone"}}, *({"failing_rows": each} for each in rows)]
    told = failing_rows_text({"number": 7, "result": {"nodes": nodes}}, "control-room").splitlines()
    assert told[:2] == [
        "control-room artifacts get 7/failing_rows/a.json",
        "control-room artifacts get '7/failing_rows/b c.json'",
    ]
    assert told[5:] == ["control-room artifacts ls 7   (and 2 more)"]


@pytest.mark.parametrize("result", [None, {}, {"nodes": 3}, {"nodes": ["a", {"failing_rows": [1]}]}])
def test_a_run_that_kept_no_rows_tells_of_none(result: dict[str, Any] | None) -> None:
    assert failing_rows_text({"number": 7, "result": result}, "control-room") == ""


def test_in_a_table_an_error_has_one_line() -> None:
    assert error_line(error(message="first\nsecond")) == "user/value_error: first"


def test_an_error_cannot_steer_the_terminal() -> None:
    assert "\x1b" not in error_text(error(message="\x1b[2J")) + trace_end("\x1b[2J")


def test_of_a_trace_the_last_frames_of_the_users_own_files_are_shown_with_the_exception() -> None:
    shown = trace_end(TRACE).splitlines()
    assert shown[0] == "…"
    assert [line.strip() for line in shown if "File" in line] == [
        'File "load.py", line 6, in first',
        'File "steps/read.py", line 9, in second',
        'File "steps/read.py", line 12, in third',
    ]
    assert "    ^^^^^^^" in shown
    assert shown[-2:] == ["JSONDecodeError: Expecting value", "caused by OSError: no"]


def test_a_trace_without_frames_of_the_user_shows_those_it_has() -> None:
    trace = '  File "/usr/lib/a.py", line 1, in f\n    g()\nValueError: no\n'
    assert trace_end(trace) == trace.rstrip()


def test_a_short_trace_is_shown_whole_and_a_long_one_of_another_kind_from_its_end() -> None:
    short = "Runtime Error in model m\nno such table"
    assert trace_end(short) == short
    long = "\n".join(str(number) for number in range(40))
    assert trace_end(long).splitlines() == ["…", *(str(number) for number in range(25, 40))]
    assert trace_end(None) == ""
