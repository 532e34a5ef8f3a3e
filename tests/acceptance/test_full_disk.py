"""A disk that fills up: who says so, what lives on, and that nothing accepted is lost once there is room again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from deltalake import DeltaTable

from tests.acceptance import independent
from tests.support.small_disk import SmallDisk, may_mount, run_inside, small_disk
from tests.support.stack import Stack, wait_until

pytestmark = pytest.mark.slow
DISK_MEBIBYTES = 700  # what `up` asks for, and room for the demo
needs_a_disk = pytest.mark.skipif(not may_mount(), reason="an ordinary user may not mount; shown in a namespace below")

TASKS = """
def fill(context):
    print("begin", flush=True)
    with open("big", "wb", buffering=0) as file:
        while True:
            file.write(bytes(1_000_000))

def hello(context):
    context.artifact("hello.txt", b"hello")
    return "hello"
"""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", DISK_MEBIBYTES) as found:
        yield found


@pytest.fixture
def stack(disk: SmallDisk) -> Iterator[Stack]:
    """A stack all of whose data is on the small disk."""
    stack = Stack(disk.folder / ".control-room")
    try:
        yield stack
    finally:
        disk.free()
        stack.run("down", "--drain", "1", check=False)


def apply_tasks(stack: Stack, folder: Path) -> None:
    (folder / "code").mkdir(parents=True)
    (folder / "code" / "tasks.py").write_text(TASKS)
    for name in ("fill", "hello"):
        spec: dict[str, Any] = {"name": name, "kind": "python", "bundle": "code", "entrypoint": f"tasks:{name}"}
        spec |= {"retry": {"max_attempts": 1}}
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(spec))
    stack.run("templates", "apply", str(folder))


@needs_a_disk
def test_a_run_that_fills_the_stacks_disk_fails_for_that_and_the_next_one_goes_on(stack: Stack, tmp_path: Path) -> None:
    stack.run("up", "--executors", "python=1")
    before = {name: stack.pids(name) for name in ("executor", "server")}
    apply_tasks(stack, tmp_path / "tasks")
    for _ in range(2):
        done = stack.run("submit", "fill", "--follow", "--json", check=False, timeout=120)
        run = json.loads(done.stdout)
        assert (run["state"], run["error"]["class"], run["error"]["code"]) == ("failed", "resources", "disk_full")
        assert "No space left on device" in run["error"]["message"]
        assert str(stack.data_dir / "work" / "executor-python") in run["error"]["message"]
    stack.wait_ready()
    assert {name: stack.pids(name) for name in before} == before
    run = json.loads(stack.run("submit", "hello", "--follow", "--json").stdout)
    assert run["result"] == {"value": "hello"}
    assert shutil.disk_usage(stack.data_dir).free > 400 * 2**20, "the room that the runs took is given back"


class Submissions:
    """Runs asked for while the disk fills up: those that were accepted, and the first refusal."""

    def __init__(self, stack: Stack) -> None:
        self.stack, self.accepted, self.refused = stack, list[int](), ""

    def one_more(self) -> bool:
        """Whether it was refused."""
        done = self.stack.run("submit", "hello", "--label", f"padding={'x' * 250}", "--json", check=False)
        if done.returncode == 0:
            self.accepted.append(json.loads(done.stdout)["number"])
        else:
            self.refused = done.stderr
        return done.returncode != 0


def check_clear_end(run: dict[str, Any]) -> None:
    """Done, or failed for the disk: its only attempt may have met it full."""
    assert run["state"] == "succeeded" or run["error"]["class"] in ("resources", "external"), run


def ended(stack: Stack, number: int) -> dict[str, Any]:
    """A run once it has ended."""
    over = ("succeeded", "failed", "cancelled", "skipped")
    found: dict[str, Any] = wait_until(
        lambda: (run := stack.json("runs", "show", str(number)))["state"] in over and run,
        seconds=180,
        what=f"run {number} to end",
        every=0.5,
    )
    return found


@needs_a_disk
def test_a_full_disk_in_the_middle_of_the_demo_is_told_and_with_room_again_it_goes_on(
    stack: Stack, disk: SmallDisk, tmp_path: Path
) -> None:
    stack.run("up")
    apply_tasks(stack, tmp_path / "tasks")
    demo = stack.start("demo", "--json")
    submissions = Submissions(stack)
    try:
        wait_until(lambda: running_tasks(stack), seconds=60, what="the demo to run")
        disk.fill()
        wait_until(submissions.one_more, seconds=120, what="a submit to be refused")
        assert "its disk is full" in submissions.refused
    finally:
        disk.free()
        said = demo.communicate(timeout=240)[0]
    stack.run("up")
    stack.wait_ready()
    for number in submissions.accepted:
        check_clear_end(ended(stack, number))
    assert demo.returncode == 0, said
    again = stack.json("demo", timeout=240)
    assert again["run"]["state"] == "succeeded"
    root, options = f"{stack.connection()['root']}/nycflights/bronze", stack.storage_options()
    expected = independent.bronze_counts()
    found = {
        name: DeltaTable(f"{root}/{name}", storage_options=options).to_pyarrow_table().num_rows for name in expected
    }
    assert found == expected


def running_tasks(stack: Stack) -> list[str]:
    found = stack.run("runs", "ls", "--json", check=False)
    items = json.loads(found.stdout)["items"] if found.returncode == 0 else []
    return [run["state"] for run in items if run["state"] == "running"]


@needs_a_disk
def test_up_on_a_full_disk_says_so_and_with_room_again_every_run_is_there(
    stack: Stack, disk: SmallDisk, tmp_path: Path
) -> None:
    stack.run("up", "--executors", "python=1")
    apply_tasks(stack, tmp_path / "tasks")
    stack.run("submit", "hello", "--follow")
    before = stack.json("runs", "ls")["items"]
    disk.fill()
    stack.run("down", "--drain", "1")
    refused = stack.run("up", check=False)
    assert refused.returncode != 0
    assert "disk is full" in refused.stderr
    assert str(stack.data_dir) in refused.stderr
    disk.free()
    stack.run("up")
    assert stack.json("runs", "ls")["items"] == before
    assert stack.json("artifacts", "verify", str(before[0]["number"]))["ok"] is True


@pytest.mark.skipif(may_mount(), reason="shown above: this user may mount")
@pytest.mark.timeout(900)
def test_all_this_holds_for_an_ordinary_user_on_a_disk_in_a_namespace_of_its_own() -> None:
    if shutil.which("unshare") is None:
        pytest.skip("there is no `unshare` (util-linux) to make a namespace where an ordinary user may mount")
    done = run_inside(__file__)
    if "unshare failed" in done.stderr:
        pytest.skip(f"this kernel lets no ordinary user mount anything: {done.stderr.strip()}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout
