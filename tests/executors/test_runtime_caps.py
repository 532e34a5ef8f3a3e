"""Caps of processes against user code that passes them in all ways: what was done, how soon, and by how much."""

from __future__ import annotations

import os
import random
import resource
import statistics
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import psutil
import pytest

from executors.runtime.cgroups import delegated
from executors.runtime.settings import SettingsError
from executors.runtime.tree import TreeWatch, descendants
from tests.executors.room import Json, Room, wait_for
from tests.executors.test_runtime_watchdog import SPIN, alive, child_pids

ONCE = {"max_attempts": 1}
MEGABYTE = 1_000_000
# As fast as pages can be had: about 1 GB in a second.
GREEDY = (
    "def main():\n    hoard = []\n    while True:\n        block = bytearray(4_000_000)\n"
    "        block[::4096] = bytes(len(block[::4096]))\n        hoard.append(block)\n"
)
TELLS = (
    "import time\ndef main(context):\n    for rows in range(0, 100_000, 10):\n        context.usage(rows_out=rows)\n"
    "        time.sleep(0.001)\n    return rows\n"
)


def entries(room: Room, run: Json) -> list[Json]:
    with room.database.connect() as connection:
        rows = connection.execute(
            "select to_jsonb(c) from ops.cap_ledger c where run_id = %s order by entry_id", [run["run_id"]]
        ).fetchall()
    return [row[0] for row in rows]


def ended(room: Room, task: str, caps: Json, **more: Json) -> Json:
    return room.ended(room.submit({"task.py": task}, caps=caps, retry=ONCE, **more))


def capped(room: Room, run: Json, cap: str) -> Json:
    """The ledger's entry of the cap that ended the run."""
    assert (run["state"], run["error"]["class"]) == ("failed", "resources"), run["error"]
    assert run["attempts"][-1]["outcome"] == "capped"
    (found,) = [entry for entry in entries(room, run) if entry["cap"] == cap]
    return found


# Memory ---------------------------------------------------------------------------------------------------------------


def test_a_child_that_takes_a_gigabyte_a_second_dies_and_the_executor_lives(control_room: Room) -> None:
    executor = control_room.executor()
    entry = capped(control_room, ended(control_room, GREEDY, {"memory_bytes": 200 * MEGABYTE}), "memory_bytes")
    assert entry["overshoot"] < 600 * MEGABYTE
    assert entry["overshoot_ms"] < 2000
    assert control_room.ended(control_room.submit({"task.py": "def main():\n    return 1\n"}))["state"] == "succeeded"
    assert psutil.pid_exists(executor.pid)


def test_one_allocation_far_beyond_the_cap_is_refused(control_room: Room) -> None:
    control_room.executor()
    task = "def main():\n    return len(bytearray(20_000_000_000))\n"
    run = ended(control_room, task, {"memory_bytes": 200 * MEGABYTE})
    entry = capped(control_room, run, "memory_bytes")
    assert (entry["layer"], entry["action"]) == ("engine", "refused")
    assert run["error"]["code"] == "out_of_memory"


def test_without_a_memory_cap_no_limit_is_put_on_data(control_room: Room) -> None:
    control_room.executor()
    task = "import resource\ndef main():\n    return resource.getrlimit(resource.RLIMIT_DATA)[0]\n"
    assert ended(control_room, task, {})["result"] == {"value": resource.getrlimit(resource.RLIMIT_DATA)[0]}
    limited = ended(control_room, task, {"memory_bytes": 300 * MEGABYTE})
    assert limited["result"] == {"value": 300 * MEGABYTE + 1024**3}


def test_memory_of_many_small_processes_counts_together(control_room: Room) -> None:
    control_room.executor()
    task = (
        "import subprocess, sys, time\nHOLD = 'import time; held = bytearray(60_000_000); time.sleep(600)'\n"
        "def main():\n    held = [subprocess.Popen([sys.executable, '-c', HOLD]) for _ in range(5)]\n"
        "    time.sleep(600)\n"
    )
    entry = capped(control_room, ended(control_room, task, {"memory_bytes": 200 * MEGABYTE}), "memory_bytes")
    assert entry["observed"] > 200 * MEGABYTE


def test_pages_that_forks_share_count_once(control_room: Room) -> None:
    control_room.executor()
    task = (
        "import os, time\ndef main():\n    held = bytearray(os.urandom(1)) * 120_000_000\n    children = []\n"
        "    for _ in range(4):\n        pid = os.fork()\n        if pid == 0:\n            time.sleep(1)\n"
        "            os._exit(0)\n        children.append(pid)\n"
        "    for pid in children:\n        os.waitpid(pid, 0)\n    return len(held)\n"
    )
    run = ended(control_room, task, {"memory_bytes": 300 * MEGABYTE})
    assert run["state"] == "succeeded", run["error"]


# A memory cgroup ------------------------------------------------------------------------------------------------------


@pytest.fixture
def cgroup() -> Iterator[Path]:
    """A memory cgroup in which groups can be made, of v2 or v1, whichever has the memory of this machine."""
    places = [place for place in (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/memory")) if has_memory(place)]
    if not places or not os.access(places[0], os.W_OK):
        pytest.skip("no memory cgroup in which this process may make others")
    folder = places[0] / f"control-room-test-{os.getpid()}"
    folder.mkdir()
    try:
        yield folder
    finally:
        assert list(folder.glob("run-*")) == [], "groups of attempts are left"
        folder.rmdir()


def has_memory(place: Path) -> bool:
    handed = place / "cgroup.subtree_control"
    return (place / "memory.limit_in_bytes").exists() or (handed.exists() and "memory" in handed.read_text().split())


def test_in_a_cgroup_the_kernel_holds_the_cap_whatever_is_seen_by_samples(control_room: Room, cgroup: Path) -> None:
    executor = control_room.executor(cgroup=str(cgroup))
    run = ended(control_room, GREEDY, {"memory_bytes": 200 * MEGABYTE})
    entry = capped(control_room, run, "memory_bytes")
    # samples also count the warden, and pages of the fork server, which are charged to that
    assert entry["overshoot"] < 40 * MEGABYTE
    with control_room.database.connect() as connection:
        row = connection.execute("select capabilities from ops.executors order by number desc limit 1").fetchone()
    assert row is not None
    assert row[0]["caps.memory"]["mechanism"].startswith("cgroup v")
    task = "def main():\n    return open('/proc/self/cgroup').read()\n"
    where = ended(control_room, task, {"memory_bytes": 200 * MEGABYTE})
    assert f"run-{where['run_id']}-1" in where["result"]["value"]
    free = ended(control_room, task, {})
    assert "run-" not in free["result"]["value"]
    assert psutil.pid_exists(executor.pid)


def test_a_helper_that_the_kernel_kills_in_the_runs_cgroup_is_a_breach_too(control_room: Room, cgroup: Path) -> None:
    control_room.executor(cgroup=str(cgroup))
    task = (
        "import subprocess, sys\ndef main():\n"
        "    subprocess.run([sys.executable, '-c', 'held = []\\nwhile True: held.append(bytes(1000) * 4000)'])\n"
        "    return 'as if nothing had been'\n"
    )
    capped(control_room, ended(control_room, task, {"memory_bytes": 200 * MEGABYTE}), "memory_bytes")


def test_a_folder_that_is_no_memory_cgroup_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"OPS_CGROUP: .* is no memory cgroup"):
        delegated(tmp_path)


# Time -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("deaf", [False, True], ids=["listening", "deaf"])
def test_the_wall_clock_stops_a_run_within_a_second(control_room: Room, deaf: bool) -> None:
    control_room.executor()
    body = "def main():\n    import signal\n    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    task = SPIN.replace("def main():\n", body) if deaf else SPIN
    entry = capped(control_room, ended(control_room, task, {"wall_seconds": 1}), "wall_seconds")
    assert entry["overshoot_ms"] < 1000


def test_processor_time_of_the_whole_tree_counts(control_room: Room) -> None:
    control_room.executor()
    task = (
        "import subprocess, sys\ndef main():\n"
        "    while True:\n        subprocess.run([sys.executable, '-c', 'sum(range(3_000_000))'])\n"
    )
    run = ended(control_room, task, {"cpu_seconds": 1, "wall_seconds": 60})
    entry = capped(control_room, run, "cpu_seconds")
    assert 1 < entry["observed"] < 4
    assert run["usage"]["cpu_seconds"] > 1


# What a child tells ---------------------------------------------------------------------------------------------------


def test_rows_beyond_their_cap_end_a_python_run(control_room: Room) -> None:
    control_room.executor()
    entry = capped(control_room, ended(control_room, TELLS, {"rows_out": 500}), "rows_out")
    assert entry["observed"] > 500


def test_rows_told_by_a_run_that_ends_at_once_count_too(control_room: Room) -> None:
    control_room.executor()
    task = "def main(context):\n    context.usage(rows_out=501)\n    return 1\n"
    entry = capped(control_room, ended(control_room, task, {"rows_out": 500}), "rows_out")
    assert entry["observed"] == 501


def test_an_artifact_too_many_ends_the_run_before_it_is_uploaded(control_room: Room) -> None:
    control_room.executor()
    task = "def main(context):\n    for n in range(5):\n        context.artifact(f'{n}.txt', 'x')\n"
    run = ended(control_room, task, {"artifact_count": 3})
    assert capped(control_room, run, "artifact_count")["observed"] == 4
    assert len(control_room.artifacts(run["run_id"])) == 3


# Actions --------------------------------------------------------------------------------------------------------------


def test_a_cap_that_warns_lets_the_run_go_on_and_says_so(control_room: Room) -> None:
    control_room.executor()
    task = "import time\ndef main(context):\n    context.usage(rows_out=9)\n    time.sleep(0.7)\n    return 1\n"
    caps = {"rows_out": {"limit": 5, "action": "warn"}, "wall_seconds": {"limit": 0.2, "action": "warn"}}
    run = ended(control_room, task, caps)
    assert (run["state"], run["result"]) == ("succeeded", {"value": 1})
    found = {entry["cap"]: entry for entry in entries(control_room, run)}
    assert {cap: entry["action"] for cap, entry in found.items()} == {"rows_out": "warned", "wall_seconds": "warned"}
    assert "warning: cap rows_out is 5 rows, observed 9 rows" in control_room.logged(run["run_id"], "system")


def test_a_grace_is_time_to_clean_up_and_a_kill_gives_none(control_room: Room) -> None:
    control_room.executor()
    task = (
        "import time\ndef main():\n    try:\n        time.sleep(600)\n    finally:\n        time.sleep(1.2)\n"
        "        print('cleaned up', flush=True)\n"
    )
    patient = ended(control_room, task, {"wall_seconds": {"limit": 1, "grace_seconds": 20}})
    entry = capped(control_room, patient, "wall_seconds")
    assert entry["action"] == "cancelled"
    assert control_room.logged(patient["run_id"]) == "cleaned up\n"
    killed = ended(control_room, task, {"wall_seconds": {"limit": 1, "action": "kill"}})
    entry = capped(control_room, killed, "wall_seconds")
    assert entry["action"] == "killed"
    assert control_room.logged(killed["run_id"]) == ""


def test_a_log_that_is_cut_does_not_end_its_run(control_room: Room) -> None:
    control_room.executor()
    task = "def main():\n    for _ in range(3000):\n        print('x' * 999)\n    return 'done'\n"
    run = ended(control_room, task, {"log_bytes": {"limit": 200_000, "action": "cut"}})
    assert (run["state"], run["result"]) == ("succeeded", {"value": "done"}), run["error"]
    (entry,) = entries(control_room, run)
    assert (entry["cap"], entry["action"], entry["observed"]) == ("log_bytes", "cut", 3_000_000)
    assert len(control_room.logged(run["run_id"])) <= 200_000
    assert "later output is dropped" in control_room.logged(run["run_id"], "system")
    assert run["usage"]["log_bytes"] == 3_000_000


@pytest.mark.slow
@pytest.mark.parametrize("action", ["cut", "kill"])
def test_a_gigabyte_of_log_leaves_the_executors_memory_as_it_is(control_room: Room, action: str) -> None:
    executor = control_room.executor()
    assert control_room.ended(control_room.submit({"task.py": "def main():\n    return 1\n"}))["state"] == "succeeded"
    before = psutil.Process(executor.pid).memory_info().rss
    task = (
        "import os\ndef main():\n    block = (b'x' * 999 + b'\\n') * 1000\n    for _ in range(1000):\n"
        "        left = memoryview(block)\n        while left:\n            left = left[os.write(1, left):]\n"
        "    return 'done'\n"
    )
    caps = {"log_bytes": {"limit": 10 * MEGABYTE, "action": action}}
    run_id = control_room.submit({"task.py": task}, caps=caps, retry=ONCE)
    peak = 0

    def over() -> bool:
        nonlocal peak
        peak = max(peak, psutil.Process(executor.pid).memory_info().rss)
        return control_room.run(run_id)["state"] in ("succeeded", "failed")

    wait_for("the flood to be over", over, 120)
    run = control_room.run(run_id)
    (entry,) = entries(control_room, run)
    assert entry["action"] == ("cut" if action == "cut" else "killed")
    assert run["state"] == ("succeeded" if action == "cut" else "failed")
    if action == "cut":
        assert entry["observed"] == 1000 * MEGABYTE
    assert peak - before < 80 * MEGABYTE


# Without the control room, and how soon -------------------------------------------------------------------------------


def test_a_cap_of_memory_holds_while_the_control_room_is_down(control_room: Room) -> None:
    executor = control_room.executor()
    go = control_room.open / "go"
    task = (
        f"import pathlib, time\ndef main():\n    while not pathlib.Path('{go}').exists():\n        time.sleep(0.02)\n"
    )
    run_id = control_room.submit(
        {"task.py": task + "    hoard = []\n    while True:\n        hoard.append(bytes(1000) * 4000)\n"},
        caps={"memory_bytes": 200 * MEGABYTE},
        retry=ONCE,
    )
    pids = wait_for("the child", lambda: child_pids(executor))
    control_room.stop_server()
    go.touch()
    wait_for("the child to be stopped without the server", lambda: not any(map(alive, pids)))
    control_room.start_server()
    assert control_room.ended(run_id)["error"]["code"] in ("cap_exceeded", "lease_expired")


def test_a_cap_of_cost_ends_a_run_by_the_prices_and_its_heartbeats(control_room: Room) -> None:
    prices = {"currency": "EUR", "prices": {"python": {"cpu_seconds": 2}}}
    control_room.call("put_prices", control_room.operator, prices)
    control_room.executor()
    run = ended(control_room, SPIN, {"cost": 2, "wall_seconds": 60})
    entry = capped(control_room, run, "cost")
    assert (entry["layer"], entry["action"]) == ("control_room", "cancelled")
    assert 2 < entry["observed"] < 12
    assert run["cancel_requested_at"] is None
    assert "cost reached" in run["error"]["message"]


def test_a_cancellation_is_timed_from_the_request_to_the_last_process(control_room: Room) -> None:
    control_room.executor()
    run_id = control_room.submit({"task.py": SPIN})
    control_room.running(run_id)
    control_room.call("cancel_run", control_room.operator, run_id, {})
    run = control_room.ended(run_id)
    timings = run["attempts"][0]["timings"]
    assert timings["cause"] == "cancel"
    steps = [timings[name] for name in ("delivered_at", "engine_stopped_at", "released_at")]
    assert steps == sorted(steps)
    assert run["cancel_requested_at"] <= steps[0]


def test_a_cancellation_is_heard_and_obeyed_within_a_second(control_room: Room) -> None:
    control_room.executor()
    took = []
    for _ in range(6):
        run_id = control_room.submit({"task.py": SPIN})
        control_room.running(run_id)
        time.sleep(random.uniform(0.8, 1.5))
        control_room.call("cancel_run", control_room.operator, run_id, {})
        run = control_room.ended(run_id)
        released = datetime.fromisoformat(run["attempts"][0]["timings"]["released_at"])
        took.append((released - datetime.fromisoformat(run["cancel_requested_at"])).total_seconds())
    assert max(took) < 2.0, took
    assert statistics.median(took) < 0.5, "an order is heard at once, not by the next heartbeat"


def test_without_a_word_of_orders_a_cancellation_is_heard_by_the_next_heartbeat(control_room: Room) -> None:
    executor = control_room.executor()
    with control_room.database.connect() as connection:
        connection.execute(
            "create or replace function ops.tell_orders(p_executor_ids uuid[]) returns void language sql as ''"
        )
    run_id = control_room.submit({"task.py": SPIN})
    control_room.running(run_id)
    time.sleep(1)
    control_room.call("cancel_run", control_room.operator, run_id, {})
    assert control_room.ended(run_id)["state"] == "cancelled"
    assert executor.said("orders.failed") == []


def test_a_breach_is_timed_too(control_room: Room) -> None:
    control_room.executor()
    timings = ended(control_room, SPIN, {"wall_seconds": 1})["attempts"][0]["timings"]
    assert timings["cause"] == "cap"
    assert timings["delivered_at"] < timings["engine_stopped_at"] <= timings["released_at"]


def test_heartbeats_tell_what_budgets_and_prices_count(control_room: Room) -> None:
    control_room.executor()
    task = (
        "import time\ndef main(context):\n    print('x' * 99)\n    context.artifact('a.txt', 'abc')\n"
        "    end = time.time() + 600\n    while time.time() < end:\n        pass\n"
    )
    run_id = control_room.submit({"task.py": task}, lease_seconds=3)

    def told() -> Json | None:
        usage: Json = control_room.run(run_id)["usage"]
        return usage if usage.get("cpu_seconds", 0) > 0.5 and usage.get("artifact_count") else None

    usage = wait_for("the usage", told)
    assert (usage["log_bytes"], usage["artifact_bytes"], usage["artifact_count"]) == (100, 3, 1)
    control_room.call("cancel_run", control_room.operator, run_id, {})
    run = control_room.ended(run_id)
    assert (run["usage"]["artifact_count"], run["usage"]["log_bytes"]) == (1, 100)


# The looks at the tree ------------------------------------------------------------------------------------------------


def test_a_look_at_the_tree_finds_what_psutil_finds_and_costs_little(tmp_path: Path) -> None:
    script = (
        "import subprocess, sys, threading, time\n"
        "for _ in range(20): threading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n"
        "held = [subprocess.Popen(['sleep', '600']) for _ in range(3)]\ntime.sleep(600)\n"
    )
    root = psutil.Popen(["python3", "-c", script])
    try:
        wait_for("three sleepers", lambda: len(descendants(root.pid)) == 3)
        assert sorted(descendants(root.pid)) == sorted(child.pid for child in root.children(recursive=True))
        watch = TreeWatch(root.pid)
        assert watch.memory(None) == sum(child.memory_info().rss for child in root.children())
        assert watch.memory(1) < watch.memory(None), "shared out, and the libraries of sleepers are shared"
        begun, looks = time.thread_time(), 100
        for _ in range(looks):
            watch.memory(10**12)
        assert (time.thread_time() - begun) / looks < 0.05 * 0.05, "a twentieth of a core even on a busy machine"
    finally:
        for child in root.children():
            child.kill()
        root.kill()
        root.wait()
