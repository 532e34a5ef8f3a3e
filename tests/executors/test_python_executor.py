"""Runs of the python executor as an operator sees them, through the real contract."""

from __future__ import annotations

import pytest

from tests.executors.room import Room, wait_for


def test_a_function_runs_with_its_params_and_its_result_log_progress_and_artifact_arrive(control_room: Room) -> None:
    task = """
def main(context, year):
    print("year", year)
    context.progress(0.5, "half")
    context.artifact("notes/report.html", b"<h1>hello</h1>", kind="report")
    context.metric("rows_read", 42)
    return {"year": year, "attempt": context.attempt}
"""
    control_room.executor()
    run_id = control_room.submit({"task.py": task}, params={"year": 2013})
    run = control_room.ended(run_id)
    assert (run["state"], run["result"]) == ("succeeded", {"year": 2013, "attempt": 1})
    assert control_room.logged(run_id) == "year 2013\n"
    assert run["attempts"][0]["metrics"] == {"rows_read": 42}
    assert run["usage"]["cpu_seconds"] > 0
    artifacts = control_room.call("run_artifacts", control_room.operator, run_id)["items"]
    assert [(a["name"], a["kind"], a["media_type"], a["state"]) for a in artifacts] == [
        ("notes/report.html", "report", "text/html", "visible")
    ]


def test_a_script_runs_as_main_and_reports_what_it_leaves_in_result(control_room: Room) -> None:
    control_room.executor()
    script = "assert __name__ == '__main__'\nresult = {'double': params['n'] * 2}\n"
    run = control_room.ended(control_room.submit({"job.py": script}, entrypoint="job.py", params={"n": 21}))
    assert run["result"] == {"double": 42}


def test_an_exception_fails_the_run_at_once_with_the_users_own_frames(control_room: Room) -> None:
    control_room.executor()
    files = {
        "task.py": "import helper\ndef main():\n    helper.divide(1)\n",
        "helper.py": "def divide(n):\n    n / 0\n",
    }
    run = control_room.ended(control_room.submit(files))
    error = run["error"]
    assert (run["state"], run["attempt"], error["class"]) == ("failed", 1, "user")
    assert error["message"] == "ZeroDivisionError: division by zero"
    assert error["position"] == {"file": "helper.py", "line": 2, "function": "divide"}
    assert error["trace"].splitlines()[0] == '  File "task.py", line 3, in main'


@pytest.mark.parametrize(
    ("entrypoint", "code"),
    [
        ("../task.py", "entrypoint_outside_bundle"),
        ("/etc/passwd.py", "entrypoint_outside_bundle"),
        ("json:loads", "entrypoint_outside_bundle"),
        ("nothing:main", "entrypoint_missing"),
        ("task:nothing", "entrypoint_missing"),
        ("nothing.py", "entrypoint_missing"),
        ("what is this", "entrypoint_invalid"),
    ],
)
def test_an_entrypoint_that_is_not_in_the_bundle_fails_the_run_and_says_so(
    control_room: Room, entrypoint: str, code: str
) -> None:
    control_room.executor()
    run = control_room.ended(control_room.submit({"task.py": "def main(): ...\n"}, entrypoint=entrypoint))
    assert (run["state"], run["error"]["class"], run["error"]["code"]) == ("failed", "user", code)


def test_a_result_that_is_no_json_and_an_exit_from_within_are_named(control_room: Room) -> None:
    control_room.executor(slots="3")
    odd = control_room.submit({"task.py": "def main():\n    return {'x': object()}\n"})
    left = control_room.submit({"task.py": "import os\ndef main():\n    os._exit(0)\n"})
    code = control_room.submit({"task.py": "import sys\ndef main():\n    sys.exit(3)\n"})
    assert control_room.ended(odd)["error"]["code"] == "result_not_json"
    assert control_room.ended(left)["error"]["code"] == "result_missing"
    assert control_room.ended(code)["error"]["class"] == "user"


def test_a_network_error_is_external_and_retried(control_room: Room) -> None:
    task = "import socket\ndef main():\n    socket.create_connection(('127.0.0.1', 1))\n"
    control_room.executor()
    run = control_room.ended(control_room.submit({"task.py": task}))
    assert (run["state"], run["attempt"], run["error"]["class"]) == ("failed", 3, "external")


def test_broken_utf8_nul_and_surrogates_arrive_as_text(control_room: Room) -> None:
    task = (
        "import sys\ndef main():\n"
        "    sys.stdout.buffer.write(b'bad \\xff\\xfe nul \\x00 end\\n')\n    sys.stdout.flush()\n"
        "    return {'nul': 'a\\x00b', 'lone': '\\ud800'}\n"
    )
    control_room.executor()
    run_id = control_room.submit({"task.py": task})
    run = control_room.ended(run_id)
    assert run["state"] == "succeeded"
    assert control_room.logged(run_id) == "bad \ufffd\ufffd nul \\x00 end\n"
    assert run["result"] == {"nul": "a\\x00b", "lone": "?"}


def test_lines_of_several_streams_are_stored_in_the_order_in_which_they_were_written(control_room: Room) -> None:
    task = (
        "import sys\ndef main(context):\n    for turn in range(20):\n"
        "        print('print', turn)\n        context.log(f'log {turn}')\n"
        "        print('error', turn, file=sys.stderr)\n"
    )
    control_room.executor()
    run_id = control_room.submit({"task.py": task})
    assert control_room.ended(run_id)["state"] == "succeeded"
    items = control_room.call("run_logs", control_room.operator, run_id, {"limit": 1000})["items"]
    written = [f"{name} {turn}" for turn in range(20) for name in ("print", "log", "error")]
    assert "".join(item["text"] for item in items).splitlines() == written
    assert {item["stream"] for item in items} == {"stdout", "log", "stderr"}
    times = [item["at"] for item in items]
    assert times == sorted(set(times)), "each chunk has a time of its own"


def test_only_declared_connections_reach_the_child_and_their_secrets_never_reach_the_log(control_room: Room) -> None:
    task = "def main(context):\n    print(context.connections)\n    return sorted(context.connections)\n"
    control_room.executor()
    run_id = control_room.submit({"task.py": task}, connections=["lakehouse"])
    run = control_room.ended(run_id)
    assert run["result"] == {"value": ["lakehouse"]}
    log = control_room.logged(run_id)
    assert "s3://lakehouse" in log
    assert control_room.store.secret_key not in log


def test_a_metric_that_is_no_number_costs_the_run_nothing_but_that_metric(control_room: Room) -> None:
    task = "def main(context):\n    context.metric('loss', 0.5)\n    context.metric('loss', float('nan'))\n"
    control_room.executor()
    run_id = control_room.submit({"task.py": task})
    run = control_room.ended(run_id)
    assert (run["state"], run["attempts"][0]["metrics"]) == ("succeeded", {"loss": 0.5})
    assert control_room.logged(run_id, "log") == "metric loss is nan; only finite numbers are kept\n"


def test_progress_and_metrics_show_while_the_run_works_and_stay(control_room: Room) -> None:
    task = (
        "import time\ndef main(context):\n    context.metric('loss', 0.5)\n"
        "    context.progress(current=3, total=12, unit='models')\n"
        "    while not context.is_cancelled():\n        time.sleep(0.05)\n"
    )
    control_room.executor()
    run_id = control_room.submit({"task.py": task})
    run = wait_for("progress", lambda: (r := control_room.run(run_id))["progress"] and r)
    assert run["progress"]["fraction"] == 0.25
    assert run["attempts"][0]["metrics"] == {"loss": 0.5}
    control_room.call("cancel_run", control_room.operator, run_id, {"reason": "seen enough"})
    run = control_room.ended(run_id)
    assert (run["state"], run["attempts"][0]["metrics"]) == ("cancelled", {"loss": 0.5})
    assert "loss" not in run["usage"]


def test_code_is_told_whose_work_it_does_for_traces_and_lineage(control_room: Room) -> None:
    control_room.executor()
    task = """
import os


def main():
    return {name: os.environ.get(name) for name in ("OPENLINEAGE_PARENT_ID", "TRACEPARENT")}
"""
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    run_id = control_room.submit({"task.py": task}, traceparent=trace)
    run = control_room.ended(run_id)
    told = {"OPENLINEAGE_PARENT_ID": f"default/{run['template_name']}/{run_id}", "TRACEPARENT": trace}
    assert run["result"] == told
