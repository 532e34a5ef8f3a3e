"""What a child must not get at: the executor's token, in any place a process of the same user could look."""

from __future__ import annotations

import json

import pytest

from executors.runtime import sandbox
from executors.runtime.sandbox import landlock_abi
from tests.executors.room import Room, wait_for

HUNT = '''
import ctypes, glob, json, os, stat


def read(path):
    try:
        with open(path, "rb") as file:
            return file.read(5_000_000)
    except OSError:
        return b""


def regular(path):
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except OSError:
        return False


def parents():
    pid = os.getppid()
    while pid > 1:
        yield pid
        with open(f"/proc/{pid}/stat") as file:
            pid = int(file.read().rpartition(")")[2].split()[1])


def memory(pid):
    """Everything writable in a process's memory, as far as it lets us."""
    for line in read(f"/proc/{pid}/maps").decode().splitlines():
        span, rights = line.split()[:2]
        if rights.startswith("rw"):
            start, end = (int(part, 16) for part in span.split("-"))
            try:
                fd = os.open(f"/proc/{pid}/mem", os.O_RDONLY)
                yield os.pread(fd, min(end - start, 50_000_000), start)
                os.close(fd)
            except OSError:
                continue


def ptrace(pid):
    PTRACE_ATTACH, PTRACE_DETACH = 16, 17
    libc = ctypes.CDLL(None, use_errno=True)
    attached = libc.ptrace(PTRACE_ATTACH, pid, 0, 0) == 0
    if attached:
        os.waitpid(pid, 0)
        libc.ptrace(PTRACE_DETACH, pid, 0, 0)
    return attached


def main(context, half, other_half, folder):
    token = (half + other_half).encode()
    found, looked = [], 0
    me = os.getpid()

    def look(place, data):
        nonlocal looked
        looked += len(data)
        if token in data:
            found.append(place)

    look("own environment", repr(dict(os.environ)).encode())
    look("job", json.dumps(context.job).encode())
    for fd in range(3, 256):
        try:
            mode = os.fstat(fd).st_mode
        except OSError:
            continue
        if fd != 4:
            found.append(f"inherited descriptor {fd} -> {os.readlink(f'/proc/self/fd/{fd}')}")
    for pid in parents():
        for name in ("environ", "cmdline", "comm", "stack", "auxv"):
            look(f"/proc/{pid}/{name}", read(f"/proc/{pid}/{name}"))
        for path in glob.glob(f"/proc/{pid}/fd/*") + glob.glob(f"/proc/{pid}/task/*/environ"):
            look(path, read(path) if "environ" in path or regular(path) else b"")
        for block in memory(pid):
            look(f"memory of {pid}", block)
        if pid > 1 and ptrace(pid):
            found.append(f"ptrace of {pid}")
    for top, _, names in os.walk(folder):
        for name in names:
            look(os.path.join(top, name), read(os.path.join(top, name)))
    return {"found": found, "looked": looked, "parents": len(list(parents())), "uid": os.getuid()}
'''


def test_a_child_finds_the_token_nowhere(control_room: Room) -> None:
    token = control_room.token
    params = {"half": token[:9], "other_half": token[9:], "folder": str(control_room.folder)}
    control_room.executor()
    run = control_room.ended(control_room.submit({"task.py": HUNT}, params=params))
    assert run["state"] == "succeeded", run["error"]
    assert run["result"]["found"] == []
    assert run["result"]["parents"] >= 2, "the hunt saw the warden and the executor"
    assert run["result"]["looked"] > 2_000, "the hunt read files it may read"


def test_a_child_that_is_not_confined_would_find_the_token_so_the_hunt_works(control_room: Room) -> None:
    namespace: dict[str, object] = {}
    exec(HUNT, namespace)

    class Context:
        job = None

    token = control_room.token
    found = namespace["main"](Context(), token[:9], token[9:], str(control_room.secrets))["found"]  # type: ignore[operator]
    assert str(control_room.secrets / "executor.token") in found


VANDAL = """
import os

def refused(act):
    try:
        act()
    except OSError as error:
        return type(error).__name__
    return "done"

def main(context, secrets, outside, installed, granted, beside):
    token = os.path.join(secrets, "executor.token")
    mine = os.path.join(context.work_dir, "mine")
    open(mine, "w").write("x")
    acts = {
        "write": lambda: open(token, "w").write("evil"),
        "append": lambda: open(token, "a").write("evil"),
        "truncate": lambda: os.truncate(token, 0),
        "remove": lambda: os.remove(token),
        "replace": lambda: os.replace(mine, token),
        "link": lambda: os.link(token, os.path.join(context.work_dir, "link")),
        "move away": lambda: os.rename(token, os.path.join(context.work_dir, "taken")),
        "add": lambda: open(os.path.join(secrets, "more.token"), "w"),
        "rename the folder": lambda: os.rename(secrets, secrets + ".old"),
        "folder beside": lambda: os.mkdir(secrets + ".new"),
        "outside": lambda: open(outside, "w").write("evil"),
        "below /tmp": lambda: open(beside, "w").write("evil"),
        "in /tmp": lambda: open(f"/tmp/vandal-{os.getpid()}", "w"),
        "in /var/tmp": lambda: open(f"/var/tmp/vandal-{os.getpid()}", "w"),
        "the interpreter's code": lambda: open(installed, "a").write(""),
        "device": lambda: os.mknod(os.path.join(context.work_dir, "disk"), 0o60600, os.makedev(254, 0)),
    }
    homely = {
        "work": mine, "home": os.path.expanduser("~/x"), "temporary": os.path.join(os.environ["TMPDIR"], "x"),
        "bundle": os.path.join(context.bundle_dir, "x"), "granted": os.path.join(granted, "x"), "null": "/dev/null",
    }
    for path in homely.values():
        open(path, "w").write("x")
    return {name: refused(act) for name, act in acts.items()}
"""


@pytest.mark.skipif(landlock_abi() < 3, reason="this kernel's Landlock knows no truncation")
def test_a_child_writes_to_its_own_folders_and_nowhere_else(
    control_room: Room, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside, granted = control_room.folder / "outside", control_room.folder / "granted"
    outside.mkdir()
    granted.mkdir()
    (outside / "file").write_text("kept")
    executor = control_room.executor(writable=str(granted), hide=str(outside))
    installed = sandbox.__file__
    beside = tmp_path_factory.mktemp("somebody") / "checkout"
    params = {"secrets": str(control_room.secrets), "outside": str(outside / "file"), "installed": installed}
    run_id = control_room.submit({"task.py": VANDAL}, params=params | {"granted": str(granted), "beside": str(beside)})
    run = control_room.ended(run_id)
    assert run["state"] == "succeeded", run["error"]
    # Across folders Landlock answers EXDEV, so that programs copy instead: an OSError of no class of its own.
    assert set(run["result"].values()) <= {"PermissionError", "OSError"}, run["result"]
    assert (control_room.secrets / "executor.token").read_text() == control_room.token
    assert (outside / "file").read_text() == "kept"
    assert executor.process.poll() is None


TOOLS = """
import multiprocessing, os, tempfile
from pathlib import Path

def square(n):
    return n * n

def main(context):
    temporary = Path(os.environ["TMPDIR"])
    with tempfile.NamedTemporaryFile() as file, multiprocessing.Pool(2) as pool:
        named, squares = Path(file.name).parent == temporary, pool.map(square, [1, 2, 3])
    import duckdb
    with duckdb.connect(str(temporary / "x.duckdb")) as database:
        database.execute("set memory_limit = '60MB'")
        rows = database.execute("select count(*) from (select i from range(5000000) t(i) order by -i)").fetchone()[0]
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot
    pyplot.plot([1, 2])
    pyplot.savefig("plot.png")
    return {"named": named, "squares": squares, "rows": rows, "plot": os.path.getsize("plot.png") > 0}
"""


def test_what_common_tools_write_beside_their_results_has_a_place(control_room: Room) -> None:
    control_room.executor(writable="")
    run = control_room.ended(control_room.submit({"task.py": TOOLS}), seconds=90)
    assert run["state"] == "succeeded", run["error"]
    assert run["result"] == {"named": True, "squares": [1, 4, 9], "rows": 5_000_000, "plot": True}


@pytest.mark.skipif(landlock_abi() < 6, reason="this kernel has no Landlock with signal scope: the child could signal")
def test_a_child_cannot_signal_the_executor(control_room: Room) -> None:
    task = """
import os
def main():
    answers = []
    for pid in (os.getppid(), int(open(f"/proc/{os.getppid()}/stat").read().rpartition(")")[2].split()[1])):
        try:
            os.kill(pid, 9)
            answers.append("killed")
        except PermissionError:
            answers.append("refused")
    return answers
"""
    control_room.executor()
    run = control_room.ended(control_room.submit({"task.py": task}))
    assert run["result"] == {"value": ["refused", "refused"]}


def test_the_environment_of_a_child_is_an_allow_list_with_the_trace_to_continue(control_room: Room) -> None:
    task = "import os\ndef main():\n    return dict(os.environ)\n"
    control_room.executor(labels="zone=a")
    run = control_room.ended(control_room.submit({"task.py": task}))
    names = set(run["result"])
    assert not [name for name in names if name.startswith(("OPS_", "PG", "AWS_ACCESS", "AWS_SECRET"))]
    assert {"PATH", "HOME", "TMPDIR"} <= names
    assert run["result"]["HOME"].startswith(str(control_room.executors[0].work_dir))


NEIGHBOUR = """
import os, time
from pathlib import Path

def main(context, until):
    (Path(context.work_dir) / "private").write_text("the neighbour's data")
    (Path.home() / "private").write_text("the neighbour's data")
    context.log("ready")
    while not os.path.exists(until):
        time.sleep(0.02)
"""
SNOOP = """
import os
from pathlib import Path

def opens(path):
    try:
        with open(path, "rb") as file:
            return bool(file.read(1) or True)
    except PermissionError:
        return False

def main(context, top):
    files = [os.path.join(folder, name) for folder, _, names in os.walk(top) for name in names]
    (Path(context.work_dir) / "mine").write_text("x")
    own = [str(Path(context.work_dir)), str(Path(context.bundle_dir)), str(Path.home())]
    return {"seen": len(files), "own": opens(os.path.join(context.work_dir, "mine")),
            "opened": [path for path in files if opens(path) and not path.startswith(tuple(own))]}
"""


@pytest.mark.skipif(landlock_abi() < 2, reason="this kernel has no Landlock: a child reads what its account may")
def test_a_child_reads_nothing_of_other_runs_on_the_same_executor(control_room: Room) -> None:
    executor = control_room.executor(slots="2")
    until = control_room.open / "until"
    neighbour = control_room.submit({"task.py": NEIGHBOUR}, params={"until": str(until)})
    wait_for("the neighbour's files", lambda: len(list(executor.work_dir.rglob("private"))) == 2)
    run = control_room.ended(control_room.submit({"task.py": SNOOP}, params={"top": str(executor.work_dir)}))
    assert list(executor.work_dir.rglob("private")), "the neighbour was there all the time"
    until.touch()
    assert control_room.ended(neighbour)["state"] == "succeeded"
    assert run["state"] == "succeeded", run["error"]
    assert (run["result"]["own"], run["result"]["opened"]) == (True, [])
    assert run["result"]["seen"] > 4, "the neighbour's files, its log and the archives were there to be opened"


def test_nothing_in_the_home_of_a_run_meets_the_next_one(control_room: Room) -> None:
    task = """
from pathlib import Path

def main():
    found = [path.name for path in Path.home().rglob("*")]
    (Path.home() / ".ipython" / "startup").mkdir(parents=True)
    (Path.home() / ".ipython" / "startup" / "evil.py").write_text("evil")
    (Path.home() / ".netrc").write_text("evil")
    return {"found": found, "home": str(Path.home())}
"""
    executor = control_room.executor()
    first, second = (control_room.ended(control_room.submit({"task.py": task}))["result"] for _ in range(2))
    assert (first["found"], second["found"]) == ([], [])
    assert first["home"] != second["home"]
    wait_for("both homes to be gone", lambda: not list(executor.work_dir.rglob(".netrc")))


def test_an_artifact_path_that_leads_out_of_the_work_folder_is_refused(control_room: Room) -> None:
    task = """
import json, os
def main(context, secret):
    os.symlink(secret, "link")
    for path in (secret, "link"):
        line = json.dumps({"type": "artifact", "name": "x", "path": os.path.abspath(path), "kind": "file",
                           "media_type": "text/plain", "metadata": {}})
        os.write(4, line.encode() + b"\\n")
"""
    control_room.executor()
    secret = str(control_room.secrets / "executor.token")
    run = control_room.ended(control_room.submit({"task.py": task}, params={"secret": secret}))
    assert (run["state"], run["error"]["code"]) == ("failed", "artifact_outside")
    assert control_room.call("run_artifacts", control_room.operator, run["run_id"])["items"] == []


def test_the_executors_own_log_and_work_folder_hold_no_token(control_room: Room) -> None:
    executor = control_room.executor()
    control_room.ended(control_room.submit({"task.py": "def main():\n    return 1\n"}))
    wait_for("the run to be reported", lambda: executor.said("report.accepted"))
    texts = [path.read_bytes() for path in executor.work_dir.rglob("*") if path.is_file()]
    assert control_room.token.encode() not in b"".join([executor.log.read_bytes(), *texts])
    assert json.dumps(executor.lines())
