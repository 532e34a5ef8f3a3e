"""Executors that are killed, drained, cut off, or answered into the void: every run ends once."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.executors.proxy import Proxy
from tests.executors.room import Json, Room, wait_for
from tests.executors.test_runtime_watchdog import DAEMON, alive, child_pids, daemon_pid

# Says in a file that it worked, once per execution.
TRACE = """
import os, time
def main(context):
    with open(os.path.join(context.params["folder"], "executions"), "a") as file:
        file.write(f"{context.epoch}\\n")
    if context.attempt <= context.params.get("hang_until", 0):
        time.sleep(600)
    for number in range(context.params.get("lines", 3)):
        print("line", number, flush=True)
        time.sleep(context.params.get("pause", 0))
    return {"attempt": context.attempt}
"""

HANGS = TRACE.replace("        time.sleep(600)", "        print('hangs now', flush=True)\n        time.sleep(600)")


@pytest.fixture
def proxy(control_room: Room) -> Iterator[Proxy]:
    between = Proxy(control_room.port)
    yield between
    between.close()


def executions(room: Room) -> list[str]:
    path = room.open / "executions"
    return path.read_text().split() if path.exists() else []


def submit(room: Room, **params: object) -> str:
    return room.submit({"task.py": TRACE}, params={"folder": str(room.open), **params})


def events(room: Room, run_id: str) -> list[Json]:
    items: list[Json] = room.call("run_events", room.operator, run_id, {"limit": 1000})["items"]
    return items


def test_a_killed_executor_takes_its_child_with_it_and_another_one_finishes_the_run(control_room: Room) -> None:
    first = control_room.executor()
    run_id = submit(control_room, hang_until=1)
    pids = wait_for("the child", lambda: child_pids(first))
    first.stop(signal.SIGKILL)
    wait_for("the child to be gone", lambda: not any(map(alive, pids)), 5)
    control_room.executor()
    run = control_room.ended(run_id)
    assert (run["state"], run["result"]) == ("succeeded", {"attempt": 2})
    assert "attempt.expired" in [event["type"] for event in events(control_room, run_id)]


def test_a_daemon_of_user_code_dies_with_a_killed_executor_too(control_room: Room) -> None:
    executor = control_room.executor()
    control_room.submit({"task.py": DAEMON}, params={"folder": str(control_room.open), "stay": True})
    pid = daemon_pid(control_room.open)
    assert alive(pid)
    executor.stop(signal.SIGKILL)
    wait_for("the daemon to be gone", lambda: not alive(pid), 5)


def test_sigterm_drains_what_runs_is_finished_nothing_new_is_claimed_and_the_executor_leaves(
    control_room: Room,
) -> None:
    executor = control_room.executor()
    run_id = submit(control_room, lines=4, pause=0.3)
    wait_for("the run to work", lambda: executions(control_room))
    executor.process.send_signal(signal.SIGTERM)
    wait_for("the drain", lambda: executor.said("executor.draining"))
    later = submit(control_room)
    assert executor.process.wait(timeout=30) == 0
    assert control_room.run(run_id)["state"] == "succeeded"
    assert control_room.run(later)["state"] == "queued"
    assert executor.said("executor.left")


def test_an_idle_executor_drains_at_once(control_room: Room) -> None:
    executor = control_room.executor()
    wait_for("registration", lambda: executor.said("executor.registered"))
    assert executor.stop(signal.SIGTERM, seconds=5) == 0


def test_a_drain_that_takes_too_long_gives_the_run_back_with_its_log_at_no_cost(control_room: Room) -> None:
    executor = control_room.executor(drain_seconds="0.5")
    run_id = control_room.submit(
        {"task.py": HANGS}, params={"folder": str(control_room.open), "hang_until": 1}, retry={"max_attempts": 1}
    )
    wait_for("the run to work", lambda: executions(control_room))
    pids = child_pids(executor)
    assert executor.stop(signal.SIGTERM) == 0
    assert not any(map(alive, pids))
    assert executor.said("run.interrupted")
    assert executor.said("executor.left")
    run = control_room.run(run_id)
    assert (run["state"], run["epoch"], run["attempts"][0]["error"]["code"]) == ("queued", 2, "released")
    assert "hangs now" in control_room.logged(run_id)
    control_room.executor()
    run = control_room.ended(run_id)
    assert (run["state"], run["result"]) == ("succeeded", {"attempt": 2})


def test_a_lost_answer_to_leaving_is_asked_for_again_and_counts_once(control_room: Room, proxy: Proxy) -> None:
    executor = control_room.executor(url=proxy.url, drain_seconds="0.2")
    run_id = submit(control_room, hang_until=1)
    wait_for("the run to work", lambda: executions(control_room))
    (line,) = executor.said("executor.registered")
    proxy.lose_answer(f"/executors/{line['executor_id']}")
    assert executor.stop(signal.SIGTERM) == 0
    assert proxy.lost == 1
    assert executor.said("executor.left")
    assert [event["type"] for event in events(control_room, run_id)].count("attempt.expired") == 1
    assert control_room.run(run_id)["state"] == "queued"


def test_an_executor_with_a_report_that_it_could_not_send_keeps_the_lease_for_the_next_one(
    control_room: Room, tmp_path: Path
) -> None:
    work = str(tmp_path / "work")
    first = control_room.executor(work_dir=work, drain_seconds="0.5")
    run_id = control_room.submit(
        {"task.py": TRACE}, params={"folder": str(control_room.open), "pause": 0.2}, lease_seconds=60
    )
    wait_for("the run to work", lambda: executions(control_room))
    control_room.stop_server()
    wait_for("the report on disk", lambda: list(Path(work).glob("*/runs/*/report.json")))
    assert first.stop(signal.SIGTERM) == 0
    (told,) = first.said("executor.not_left")
    assert "a report could not be sent" in told["message"]
    control_room.start_server()
    control_room.executor(work_dir=work)
    run = control_room.ended(run_id)
    assert (run["state"], run["attempt"], len(executions(control_room))) == ("succeeded", 1, 1)


def test_a_second_signal_ends_the_children_now(control_room: Room) -> None:
    executor = control_room.executor(drain_seconds="600")
    submit(control_room, hang_until=1)
    wait_for("the run to work", lambda: executions(control_room))
    executor.process.send_signal(signal.SIGTERM)
    wait_for("the drain", lambda: executor.said("executor.draining"))
    assert executor.stop(signal.SIGINT, seconds=20) == 0
    assert executor.said("run.stopped")


def test_a_lost_answer_to_a_claim_is_asked_for_again_and_the_run_is_executed_once(
    control_room: Room, proxy: Proxy
) -> None:
    proxy.lose_answer("/claims", containing=b'"run_id"')
    control_room.executor(url=proxy.url)
    run = control_room.ended(submit(control_room))
    assert proxy.lost == 1
    assert (run["state"], run["attempt"]) == ("succeeded", 1)
    assert len(executions(control_room)) == 1


def test_a_lost_answer_to_a_report_is_asked_for_again_and_counts_once(control_room: Room, proxy: Proxy) -> None:
    proxy.lose_answer("/report")
    control_room.executor(url=proxy.url)
    run_id = submit(control_room)
    run = control_room.ended(run_id)
    assert proxy.lost == 1
    assert run["state"] == "succeeded"
    assert [event["type"] for event in events(control_room, run_id)].count("run.succeeded") == 1
    assert len(executions(control_room)) == 1


def test_lost_answers_to_log_chunks_and_artifacts_leave_no_gap_and_no_copy(control_room: Room, proxy: Proxy) -> None:
    proxy.lose_answer("/logs")
    proxy.lose_answer("/artifacts")
    proxy.lose_answer("/record")
    task = "def main(context):\n    for n in range(100):\n        print(n)\n    context.artifact('a.txt', 'hello')\n"
    control_room.executor(url=proxy.url)
    run_id = control_room.submit({"task.py": task})
    assert control_room.ended(run_id)["state"] == "succeeded"
    assert proxy.lost == 3
    assert control_room.logged(run_id).split() == [str(n) for n in range(100)]
    artifacts = control_room.call("run_artifacts", control_room.operator, run_id)["items"]
    assert [(a["name"], a["state"]) for a in artifacts] == [("a.txt", "visible")]


def test_logs_and_report_of_a_run_that_ended_while_the_server_was_down_arrive_later(control_room: Room) -> None:
    executor = control_room.executor()
    run_id = submit(control_room, lines=20, pause=0.05)
    wait_for("the run to work", lambda: executions(control_room))
    pids = child_pids(executor)
    control_room.stop_server()
    wait_for("the child to end by itself", lambda: not any(map(alive, pids)))
    control_room.start_server()
    run = control_room.ended(run_id)
    assert (run["state"], run["attempt"]) == ("succeeded", 1)
    assert control_room.logged(run_id).splitlines() == [f"line {n}" for n in range(20)]
    assert len(executions(control_room)) == 1


def test_a_report_that_a_killed_executor_had_written_is_sent_by_the_next_one(
    control_room: Room, tmp_path: Path
) -> None:
    work = str(tmp_path / "work")
    first = control_room.executor(work_dir=work)
    run_id = control_room.submit(
        {"task.py": TRACE}, params={"folder": str(control_room.open), "pause": 0.2}, lease_seconds=60
    )
    wait_for("the run to work", lambda: executions(control_room))
    control_room.stop_server()
    wait_for("the report on disk", lambda: list(Path(work).glob("*/runs/*/report.json")))
    first.stop(signal.SIGKILL)
    control_room.start_server()
    second = control_room.executor(work_dir=work)
    run = control_room.ended(run_id)
    assert (run["state"], run["attempt"]) == ("succeeded", 1)
    assert second.said("report.recovered")
    assert len(executions(control_room)) == 1
    wait_for("the folder to be cleaned", lambda: not list(Path(work).glob("*/runs/*")))


def test_what_a_killed_executor_left_on_disk_is_cleaned_by_the_next_one(control_room: Room, tmp_path: Path) -> None:
    work = str(tmp_path / "work")
    first = control_room.executor(work_dir=work)
    run_id = submit(control_room, hang_until=1)
    wait_for("the run to work", lambda: executions(control_room))
    left = list(Path(work).glob("*/runs/*"))
    first.stop(signal.SIGKILL)
    control_room.executor(work_dir=work)
    assert control_room.ended(run_id)["state"] == "succeeded"
    assert left
    assert not any(folder.exists() for folder in left)


def test_a_superseded_child_is_killed_and_nothing_of_it_is_reported(control_room: Room) -> None:
    first = control_room.executor()
    run_id = submit(control_room, hang_until=1)
    pids = wait_for("the child", lambda: child_pids(first))
    first.process.send_signal(signal.SIGSTOP)
    wait_for("the lease to expire", lambda: control_room.call("expire_leases", 100)["expired"])
    control_room.executor()
    run = control_room.ended(run_id)
    assert (run["result"], run["state"]) == ({"attempt": 2}, "succeeded")
    first.process.send_signal(signal.SIGCONT)
    wait_for("the old child to be gone", lambda: not any(map(alive, pids)))
    wait_for("the run to be dropped", lambda: first.said("run.dropped"))
    assert not first.said("report.accepted")


def test_without_a_control_room_a_run_that_must_stop_on_lapse_is_stopped(control_room: Room) -> None:
    executor = control_room.executor()
    task = {"task.py": "import time\ndef main():\n    time.sleep(600)\n"}
    control_room.submit(task, on_lapse="stop", lease_seconds=3)
    pids = wait_for("the child", lambda: child_pids(executor))
    control_room.stop_server()
    wait_for("the child to be stopped", lambda: not any(map(alive, pids)), 15)
    control_room.start_server()


def test_an_executor_that_the_server_forgot_registers_again_and_goes_on(control_room: Room) -> None:
    executor = control_room.executor()
    wait_for("registration", lambda: executor.said("executor.registered"))
    known = executor.said("executor.registered")[0]["executor_id"]
    with control_room.database.connect() as connection:
        connection.execute("delete from ops.executors where executor_id = %s", [known])
    assert control_room.ended(submit(control_room))["state"] == "succeeded"
    assert len(executor.said("executor.registered")) == 2


def test_an_executor_keeps_trying_an_unreachable_control_room_and_says_so(control_room: Room) -> None:
    control_room.stop_server()
    executor = control_room.executor()
    said = wait_for("a message", lambda: executor.said("control_room.unanswered"))
    assert control_room.url in said[0]["message"]
    control_room.start_server()
    assert control_room.ended(submit(control_room))["state"] == "succeeded"


def test_a_wrong_token_is_said_and_tried_again_without_showing_it(control_room: Room) -> None:
    bad = control_room.folder / "bad.token"
    bad.write_text("wrong-token-value\n")
    executor = control_room.executor(token_file=str(bad))
    wait_for("a message", lambda: executor.said("executor.refused"))
    assert "wrong-token-value" not in executor.log.read_text()
    assert executor.stop(signal.SIGTERM, seconds=10) == 0


def test_an_idle_executor_is_small(control_room: Room) -> None:
    executor = control_room.executor()
    control_room.ended(submit(control_room))
    memory = psutil.Process(executor.pid).memory_info().rss
    assert memory < 80_000_000, f"{memory / 1e6:.0f} MB"


@pytest.mark.skipif(os.geteuid() != 0, reason="an executor's maps are closed to its own user; root reads them")
def test_an_idle_executor_has_loaded_no_arrow(control_room: Room) -> None:
    executor = control_room.executor()
    control_room.ended(submit(control_room))
    mapped = {Path(m.path).name for m in psutil.Process(executor.pid).memory_maps()}
    assert not [name for name in mapped if "arrow" in name or "deltalake" in name]
