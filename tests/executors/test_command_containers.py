"""Commands in containers, on a Docker Engine that answers: caps, isolation, and that nothing of a run lives on."""

from __future__ import annotations

import io
import os
import re
import shutil
import signal
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.executors.room import Json, Room, wait_for

IMAGE = "control-room-command-test:1"
PROGRAMS = ("sh", "sleep", "cat", "tail", "id", "touch", "env", "mkdir")
SECRET = "hunter2&<correct> horse"
ONCE: Json = {"max_attempts": 1}


def docker(*arguments: str, data: bytes | None = None) -> str:
    done = subprocess.run(["docker", *arguments], input=data, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def silence() -> str:
    """Why no engine answers; "" when one does."""
    if not shutil.which("docker"):
        return "no docker client here"
    done = subprocess.run(["docker", "version"], capture_output=True, text=True, timeout=60)
    return done.stderr.strip().splitlines()[-1] if done.returncode else ""


@pytest.fixture(scope="module", autouse=True)
def image() -> Iterator[None]:
    """This machine's own programs as an image: no registry is asked."""
    if why := silence():
        pytest.skip(f"no Docker Engine answers: {why}")
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for path in sorted(files_of(PROGRAMS)):
            tar.add(Path(path).resolve(), path)
    docker("import", "-", IMAGE, data=archive.getvalue())
    yield
    docker("rmi", "--force", IMAGE)


def files_of(programs: tuple[str, ...]) -> set[str]:
    """Paths of programs and of the libraries that they load."""
    paths = {f"/bin/{name}" for name in programs}
    for path in sorted(paths):
        listed = subprocess.run(["ldd", path], capture_output=True, text=True, check=True).stdout
        paths |= set(re.findall(r"(/\S+) \(0x", listed))
    return paths


def start(room: Room, **settings: str) -> Any:
    client = str(shutil.which("docker"))
    allow = "image:control-room-*,image:control-room-nowhere.invalid/*"
    return room.executor("command", command_allow=allow, command_containers=client, **settings)


def script(room: Room, text: str, *arguments: str, **spec: Any) -> str:
    config = {"argv": ["/bin/sh", "-c", text, "name", *arguments], "image": IMAGE, **spec.pop("config", {})}
    files = {"word.txt": "inner"}
    return room.submit(files, None, kind="command", config=config, **spec)  # type: ignore[arg-type]


def containers(room: Room, run_id: str) -> list[str]:
    return docker("ps", "--all", "--quiet", "--filter", f"name=control-room-{run_id}").split()


def test_a_command_runs_in_its_image_with_its_values_its_files_and_no_more(control_room: Room) -> None:
    control_room._write("connections.json", f'{{"partner": {{"dsn": "{SECRET}"}}}}')
    start(control_room)
    text = (
        'echo "<$1> <$(cat "$2")>"; cat > outputs/stdin.txt; id -u; echo "key $KEY" >&2; '
        "cat /proc/net/dev | tail -n +3; "
        "touch /bin/x /bundle/x; touch /tmp/x && echo tmp-ok; echo '{\"rows\": 7}' > outputs/result.json"
    )
    config = {"stdin": "{params}", "env": {"KEY": {"secret": "partner.dsn"}, "PATH": "/bin"}}
    run_id = script(
        control_room,
        text,
        "{params.odd}",
        "{bundle}/word.txt",
        config=config,
        params={"odd": "a $(b) 'c"},
        connections=["partner"],
    )
    run = control_room.ended(run_id)
    assert (run["state"], run["result"]) == ("succeeded", {"rows": 7}), (
        run["error"],
        control_room.logged(run_id, "stderr"),
    )
    lines = control_room.logged(run_id).splitlines()
    assert lines[0] == "<a $(b) 'c> <inner>"
    assert lines[1] == (str(os.geteuid()) if os.geteuid() else "65534")
    assert [line.split(":")[0].strip() for line in lines[2:-1]] == ["lo"], "no network"
    assert lines[-1] == "tmp-ok"
    said = control_room.logged(run_id, "stderr")
    assert "key ***" in said
    assert said.count("Read-only file system") == 2
    assert control_room.artifacts(run_id) == {"stdin.txt": b'{"odd":"a $(b) \'c"}'}
    assert containers(control_room, run_id) == []


def test_a_container_over_its_memory_ends_the_run_as_resources(control_room: Room) -> None:
    start(control_room)
    run_id = script(control_room, "exec tail /dev/zero", caps={"memory_bytes": 64 * 1024 * 1024}, retry=ONCE)
    run = control_room.ended(run_id)
    assert (run["error"]["class"], run["error"]["code"]) == ("resources", "out_of_memory")
    assert containers(control_room, run_id) == []


@pytest.mark.parametrize(
    ("config", "failure_class", "code", "words"),
    [
        ({"argv": ["/bin/nothing"]}, "user", "program_missing", "/bin/nothing was not found in image"),
        ({"argv": ["/bin/sh", "-c", "echo oh >&2; exit 4"]}, "user", "exit_code", "exit code 4"),
        ({"image": "control-room-nowhere.invalid/x:1"}, "external", "container_failed", "could not be started"),
        ({"image": "debian:12"}, "user", "program_not_allowed", "image control-room-*"),
    ],
)
def test_what_goes_wrong_with_a_container_is_told(
    control_room: Room, config: Json, failure_class: str, code: str, words: str
) -> None:
    start(control_room)
    run = control_room.ended(script(control_room, "exit 0", config=config, retry=ONCE))
    assert (run["error"]["class"], run["error"]["code"]) == (failure_class, code)
    assert words in run["error"]["message"]


DEAF = "trap '' TERM; echo half > outputs/half.txt; echo up; while :; do sleep 1; done"


def test_a_deaf_container_is_killed_with_its_cancelled_run_and_its_files_are_kept(control_room: Room) -> None:
    with control_room.database.connect() as connection:
        connection.execute("update ops.settings set value = '1' where key = 'cancel_grace_seconds'")
    start(control_room)
    run_id = script(control_room, DEAF)
    wait_for("the program", lambda: "up" in control_room.logged(run_id))
    assert len(containers(control_room, run_id)) == 1
    control_room.call("cancel_run", control_room.operator, run_id, {"reason": "seen enough"})
    assert control_room.ended(run_id)["state"] == "cancelled"
    assert containers(control_room, run_id) == []
    assert control_room.artifacts(run_id) == {"half.txt": b"half\n"}


def test_an_executor_that_stops_takes_its_containers_along(control_room: Room) -> None:
    executor = start(control_room, drain_seconds="0")
    run_id = script(control_room, DEAF)
    wait_for("the program", lambda: "up" in control_room.logged(run_id))
    executor.stop()
    assert containers(control_room, run_id) == []


def test_an_executor_that_was_killed_leaves_its_containers_to_the_next_one_on_its_folder(control_room: Room) -> None:
    executor = start(control_room)
    run_id = script(control_room, DEAF)
    wait_for("the program", lambda: "up" in control_room.logged(run_id))
    executor.stop(signal.SIGKILL)
    assert len(containers(control_room, run_id)) == 1
    start(control_room, work_dir=str(executor.work_dir), queues="another")
    wait_for("its end", lambda: not containers(control_room, run_id))
