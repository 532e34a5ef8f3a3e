"""Heartbeats, cancellation and caps against user code that does not cooperate."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psutil
import pytest

from tests.executors.room import Executor, Json, Room, ledger, wait_for

SPIN = "def main():\n    while True:\n        pass\n"
# A C call that keeps the GIL for minutes: nothing in its process can run, not even a signal handler.
HOLD_THE_GIL = "import re\ndef main():\n    re.match(r'(a+)+$', 'a' * 40 + 'b')\n"
DEAF = (
    "import signal, time\ndef main(context):\n    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "    context.progress(message='deaf')\n    while True:\n        time.sleep(60)\n"
)
HANGS_ONCE = """
import time
def main(context):
    if context.attempt == 1:
        time.sleep(600)
    return context.attempt
"""
# A daemon that has left its parent, its session and its process group.
DAEMON = """
import os, time
def main(context):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            open(os.path.join(context.params["folder"], "daemon.pid"), "w").write(str(os.getpid()))
            time.sleep(600)
        os._exit(0)
    path = os.path.join(context.params["folder"], "daemon.pid")
    while not os.path.exists(path):
        time.sleep(0.01)
    time.sleep(600 if context.params.get("stay") else 0)
"""


def child_pids(executor: Executor) -> list[int]:
    """User processes below an executor: the children of its wardens, once one has become what it is forked to be."""
    wardens = [found for found in psutil.Process(executor.pid).children() if any(map(is_child, found.children()))]
    return [child.pid for warden in wardens for child in warden.children(recursive=True)]


def is_child(process: psutil.Process) -> bool:
    """Whether it is the process of a run, and not a fork server, or a warden that this one has just forked."""
    try:
        return any(part.startswith("executors.") and part.endswith(".child") for part in process.cmdline())
    except psutil.NoSuchProcess:
        return False


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def daemon_pid(folder: Path) -> int:
    path = folder / "daemon.pid"
    return int(wait_for("the daemon", lambda: path.exists() and path.read_text()))


def cancel(room: Room, run_id: str, reason: str = "not needed") -> Json:
    room.call("cancel_run", room.operator, run_id, {"reason": reason})
    return room.ended(run_id)


@pytest.mark.parametrize("task", [SPIN, HOLD_THE_GIL], ids=["python-loop", "c-call-holding-the-gil"])
def test_user_code_that_takes_the_whole_processor_does_not_stop_heartbeats(control_room: Room, task: str) -> None:
    control_room.executor()
    run_id = control_room.submit({"task.py": task}, lease_seconds=3)
    control_room.running(run_id)
    seen: set[str] = set()
    with control_room.database.connect() as connection:

        def renewed() -> bool:
            control_room.call("expire_leases", 100)
            row = connection.execute("select lease_deadline from ops.leases where run_id = %s", [run_id]).fetchone()
            seen.add(str(row[0]) if row else "gone")
            return len(seen) >= 8

        wait_for("seven renewals", renewed)
    assert "gone" not in seen
    run = cancel(control_room, run_id)
    assert (run["state"], run["attempt"]) == ("cancelled", 1)


def test_a_cancelled_run_ends_soon_and_its_finally_blocks_run(control_room: Room) -> None:
    task = (
        "import time\ndef main(context):\n    try:\n        context.progress(message='in')\n"
        "        time.sleep(600)\n    finally:\n        print('cleaned up')\n"
    )
    executor = control_room.executor()
    run_id = control_room.submit({"task.py": task})
    control_room.running(run_id)
    wait_for("the child", lambda: child_pids(executor))
    run = cancel(control_room, run_id)
    assert (run["state"], run["error"]) == ("cancelled", None)
    assert control_room.logged(run_id) == "cleaned up\n"


def test_a_child_deaf_to_sigterm_is_killed_after_the_grace(control_room: Room) -> None:
    with control_room.database.connect() as connection:
        connection.execute("update ops.settings set value = '1' where key = 'cancel_grace_seconds'")
    executor = control_room.executor()
    run_id = control_room.submit({"task.py": DEAF})
    wait_for("the child", lambda: (control_room.run(run_id)["progress"] or {}).get("message") == "deaf")
    pids = child_pids(executor)
    assert pids
    assert cancel(control_room, run_id)["state"] == "cancelled"
    wait_for("the child to be gone", lambda: not any(map(alive, pids)))


def test_a_daemon_left_behind_dies_with_its_run(control_room: Room) -> None:
    control_room.executor()
    params = {"folder": str(control_room.open)}
    run = control_room.ended(control_room.submit({"task.py": DAEMON}, params=params))
    assert run["state"] == "succeeded"
    assert not alive(daemon_pid(control_room.open))


def test_the_wall_clock_cap_ends_the_run_and_the_ledger_says_by_how_much(control_room: Room) -> None:
    control_room.executor()
    caps = {"wall_seconds": 1}
    run = control_room.ended(control_room.submit({"task.py": SPIN}, caps=caps, retry={"max_attempts": 1}))
    assert (run["state"], run["error"]["class"], run["error"]["code"]) == ("failed", "resources", "cap_exceeded")
    entry = ledger(control_room, run)
    assert (entry["layer"], entry["cap"], float(entry["limit"])) == ("watchdog", "wall_seconds", 1.0)
    assert 0 < float(entry["overshoot"]) < 5
    assert entry["overshoot_ms"] >= 1


def test_the_wall_clock_cap_holds_while_the_control_room_is_down(control_room: Room) -> None:
    executor = control_room.executor()
    run_id = control_room.submit({"task.py": SPIN}, caps={"wall_seconds": 2}, retry={"max_attempts": 1})
    pids = wait_for("the child", lambda: child_pids(executor))
    control_room.stop_server()
    wait_for("the child to be stopped without the server", lambda: not any(map(alive, pids)))
    control_room.start_server()
    run = control_room.ended(run_id)
    assert run["error"]["code"] in ("cap_exceeded", "lease_expired")


def test_the_memory_cap_ends_the_run(control_room: Room) -> None:
    control_room.executor()
    task = (
        "import time\ndef main():\n    hoard = []\n    while True:\n"
        "        hoard.append(b'x' * 10_000_000)\n        time.sleep(0.02)\n"
    )
    caps = {"memory_bytes": 150_000_000}
    run = control_room.ended(control_room.submit({"task.py": task}, caps=caps, retry={"max_attempts": 1}))
    entry = ledger(control_room, run)
    assert entry["cap"] == "memory_bytes"
    assert 150_000_000 < float(entry["observed"]) < 600_000_000


def test_a_flood_of_output_is_cut_said_and_ends_the_run(control_room: Room) -> None:
    control_room.executor()
    task = "def main():\n    while True:\n        print('x' * 999)\n"
    run_id = control_room.submit({"task.py": task}, caps={"log_bytes": 200_000}, retry={"max_attempts": 1})
    run = control_room.ended(run_id)
    assert (run["state"], run["error"]["code"]) == ("failed", "cap_exceeded")
    assert ledger(control_room, run)["cap"] == "log_bytes"
    assert len(control_room.logged(run_id)) <= 200_000
    assert "cap log_bytes is 200,000 bytes" in control_room.logged(run_id, "system")


def test_artifacts_over_their_cap_end_the_run(control_room: Room) -> None:
    control_room.executor()
    task = "def main(context):\n    context.artifact('big.bin', b'x' * 20_000)\n"
    run = control_room.ended(
        control_room.submit({"task.py": task}, caps={"artifact_bytes": 10_000}, retry={"max_attempts": 1})
    )
    assert run["error"]["code"] == "cap_exceeded"
    assert ledger(control_room, run)["cap"] == "artifact_bytes"


def test_a_killed_child_is_an_internal_failure_and_the_run_is_retried(control_room: Room) -> None:
    executor = control_room.executor()
    run_id = control_room.submit({"task.py": HANGS_ONCE})
    pids = wait_for("the child", lambda: child_pids(executor))
    os.kill(pids[0], signal.SIGKILL)
    run = control_room.ended(run_id)
    assert (run["state"], run["result"]) == ("succeeded", {"value": 2})


def test_a_killed_warden_takes_its_child_with_it_and_the_run_is_retried(control_room: Room) -> None:
    executor = control_room.executor()
    run_id = control_room.submit({"task.py": HANGS_ONCE})
    pids = wait_for("the child", lambda: child_pids(executor))
    os.kill(psutil.Process(pids[0]).ppid(), signal.SIGKILL)
    run = control_room.ended(run_id)
    assert (run["state"], run["result"]) == ("succeeded", {"value": 2})
    assert not any(map(alive, pids))


def test_a_daemon_whose_warden_was_killed_dies_with_its_run_all_the_same(control_room: Room) -> None:
    control_room.executor()
    params = {"folder": str(control_room.open), "stay": True}
    control_room.submit({"task.py": DAEMON}, params=params, retry={"max_attempts": 1})
    pid = daemon_pid(control_room.open)
    os.kill(psutil.Process(pid).ppid(), signal.SIGKILL)  # the warden has adopted it
    wait_for("the daemon to be gone", lambda: not alive(pid))


def test_a_number_of_four_hundred_digits_neither_ends_the_run_nor_abandons_its_child(control_room: Room) -> None:
    task = "def main(context):\n    context.usage(n=10**400, rows=3)\n    context.usage(rows=4)\n    return 1\n"
    executor = control_room.executor()
    run_id = control_room.submit({"task.py": task}, retry={"max_attempts": 1})
    run = control_room.ended(run_id)
    assert (run["state"], run["usage"]["rows"]) == ("succeeded", 4)
    assert "a usage message of the child does not fit" in control_room.logged(run_id, "system")
    assert not executor.said("run.defect")


def test_a_run_with_too_many_and_impossible_metrics_costs_no_other_run_its_lease(control_room: Room) -> None:
    poison = (
        "import os, time\ndef main(context):\n    for n in range(80):\n        context.metric(f'm{n}', n)\n"
        '    os.write(4, b\'{"type":"metric","name":"a\\\\u0000\\\\ud800","value":1e999}\\n\')\n'
        "    context.progress(message='told')\n    time.sleep(600)\n"
    )
    victim = "import time\ndef main(context):\n    time.sleep(6)\n    return context.attempt\n"
    executor = control_room.executor(slots="2")
    poisoned = control_room.submit({"task.py": poison}, lease_seconds=3)
    wait_for("the metrics", lambda: (control_room.run(poisoned)["progress"] or {}).get("message") == "told")
    run = control_room.ended(control_room.submit({"task.py": victim}, lease_seconds=3))
    assert (run["state"], run["result"]) == ("succeeded", {"value": 1})
    shown = control_room.run(poisoned)
    assert shown["attempts"][0]["metrics"] == {f"m{n}": n for n in range(50)}
    assert {"wall_seconds", "memory_peak_bytes"} <= set(shown["usage"])
    assert not executor.said("heartbeat.bare")
    assert not executor.said("heartbeat.defect")
