"""Runs of the command executor as an operator sees them: real programs, through the real contract."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from control_room.api.template_spec import template_issues
from tests.executors.room import ROOT, Executor, Json, Room, ledger, wait_for

SHELL = "/bin/sh"
SECRET = "hunter2&<correct> horse"
# Deaf, so that only its death frees the memory.
DEAF = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
EAT = DEAF + "held = bytearray(b'x') * 400_000_000\ntime.sleep(600)\n"
ONCE: Json = {"max_attempts": 1}


def start(room: Room, allow: str = f"{SHELL},bundle", **settings: str) -> Executor:
    return room.executor("command", command_allow=allow, **settings)


def submit(room: Room, argv: list[str], files: dict[str, str] | None = None, **spec: Any) -> str:
    config = {"argv": argv, **spec.pop("config", {})}
    return room.submit(files or {"README": "nothing"}, None, kind="command", config=config, **spec)  # type: ignore[arg-type]


def script(room: Room, text: str, **spec: Any) -> str:
    """A run of a shell's text; more arguments as ``arguments``."""
    return submit(room, [SHELL, "-c", text, "name", *spec.pop("arguments", ())], **spec)


def test_a_program_gets_its_values_as_arguments_and_leaves_logs_files_and_a_result(control_room: Room) -> None:
    start(control_room)
    text = (
        'echo "got <$1> <$2> <$3>"; echo aside >&2; cat > outputs/stdin.txt; mkdir outputs/sub; '
        'echo deep > outputs/sub/deep.txt; echo "$MODE" > outputs/mode.txt; '
        'echo "{\\"rows\\": $2}" > outputs/result.json'
    )
    odd = "a b; $(touch outputs/hacked) `id` \"q' *"
    run_id = script(
        control_room,
        text,
        arguments=["{params.odd}", "{params.n}", "n={params.n},{params.list} {print $1}"],
        config={"stdin": "{params}", "env": {"MODE": "m-{params.n}"}},
        params={"odd": odd, "n": 7, "list": [1, "x"]},
    )
    run = control_room.ended(run_id)
    assert (run["state"], run["result"]) == ("succeeded", {"rows": 7}), run["error"]
    assert control_room.logged(run_id) == f'got <{odd}> <7> <n=7,[1,"x"] {{print $1}}>\n'
    assert control_room.logged(run_id, "stderr") == "aside\n"
    found = control_room.artifacts(run_id)
    assert sorted(found) == ["mode.txt", "stdin.txt", "sub/deep.txt"]
    assert found["mode.txt"] == b"m-7\n"
    assert json.loads(found["stdin.txt"]) == {"odd": odd, "n": 7, "list": [1, "x"]}
    assert found["sub/deep.txt"] == b"deep\n"


def test_a_program_of_the_bundle_runs_on_its_files(control_room: Room) -> None:
    start(control_room)
    files = {
        "bin/tool": f"#!{sys.executable}\nimport sys\nprint(open(sys.argv[1]).read().upper())\n",
        "word.txt": "inner",
    }
    first = control_room.ended(submit(control_room, ["bin/tool", "{bundle}/word.txt"], files))
    assert (first["state"], first["result"]) == ("succeeded", {"exit_code": 0}), first["error"]
    assert control_room.logged(first["run_id"]) == "INNER\n"


def test_a_file_of_another_run_is_an_argument(control_room: Room) -> None:
    start(control_room)
    first = script(control_room, "echo from the first > outputs/words.txt")
    needs = [{"run": first, "inputs": {"words": "words.txt"}}]
    inputs = [{"name": "words", "kind": "artifact"}]
    second = script(control_room, 'cat "$1"', arguments=["{inputs.words}"], inputs=inputs, depends_on=needs)
    run = control_room.ended(second)
    assert (run["state"], control_room.logged(second)) == ("succeeded", "from the first\n"), run["error"]


def test_logs_are_live(control_room: Room) -> None:
    start(control_room)
    run_id = script(control_room, "echo first; echo second >&2; while [ ! -e go ]; do sleep 0.1; done; echo last")
    wait_for("the log", lambda: control_room.logged(run_id) == "first\n")
    wait_for("the other", lambda: control_room.logged(run_id, "stderr") == "second\n")
    assert control_room.run(run_id)["state"] == "running"
    (folder,) = (control_room.executors[0].work_dir / "command-0" / "runs").iterdir()
    (folder / "work" / "go").touch()
    assert control_room.ended(run_id)["state"] == "succeeded"


def test_progress_and_metrics_are_told_by_lines_of_a_file(control_room: Room) -> None:
    start(control_room)
    text = (
        'echo \'{"current": 3, "total": 12, "unit": "files", "message": "copying"}\' >> "$CONTROL_ROOM_NOTES"; '
        'echo \'{"metric": "rows", "value": 4711}\' >> notes.jsonl; echo nonsense >> notes.jsonl; '
        'echo \'{"fraction": "x"}\' >> notes.jsonl; '
        'while [ ! -e go ]; do sleep 0.1; done; echo \'{"metric": "rows", "value": 5000}\' >> notes.jsonl'
    )
    run_id = script(control_room, text)
    run = wait_for("progress", lambda: (r := control_room.run(run_id))["progress"] and r)
    assert (run["progress"]["fraction"], run["progress"]["message"]) == (0.25, "copying")
    assert run["attempts"][0]["metrics"] == {"rows": 4711}
    (folder,) = (control_room.executors[0].work_dir / "command-0" / "runs").iterdir()
    (folder / "work" / "go").touch()
    run = control_room.ended(run_id)
    assert (run["state"], run["attempts"][0]["metrics"]) == ("succeeded", {"rows": 5000})
    assert "'nonsense' is neither progress nor a metric" in control_room.logged(run_id, "system")


def test_exit_codes_that_are_expected_are_success(control_room: Room) -> None:
    start(control_room)
    run = control_room.ended(script(control_room, "exit 24", config={"exit_codes": [0, 24]}))
    assert (run["state"], run["result"]) == ("succeeded", {"exit_code": 24})


BAD: dict[str, tuple[list[str], Json, str, str, tuple[str, ...]]] = {
    "exit-code": (
        [SHELL, "-c", "echo gone >&2; echo 'no such table' >&2; exit 3"],
        {},
        "user",
        "exit_code",
        ("exit code 3", "gone\nno such table"),
    ),
    "segfault": ([SHELL, "-c", "kill -SEGV $$"], {}, "user", "killed_by_signal", ("SIGSEGV",)),
    "killed": ([SHELL, "-c", "kill -KILL $$"], {}, "internal", "killed_by_signal", ("SIGKILL",)),
    "killed-below": ([SHELL, "-c", "sh -c 'kill -TERM $$'; exit $?"], {}, "user", "exit_code", ("143", "SIGTERM")),
    "not-allowed": (["/bin/cat", "/etc/passwd"], {}, "user", "program_not_allowed", ("/bin/cat", "/usr/bin/sh, files")),
    "not-allowed-by-dots": (["/bin/../bin/cat"], {}, "user", "program_not_allowed", ("allowed: ",)),
    "outside-the-bundle": (["../../../bin/sh"], {}, "user", "program_not_allowed", ("leads outside",)),
    "missing-in-bundle": (["nothing"], {}, "user", "program_missing", ("no file 'nothing'",)),
    "not-executable": (["README"], {}, "user", "program_not_executable", ("chmod +x",)),
    "no-interpreter": (["broken"], {}, "user", "program_not_startable", ("interpreter",)),
    "param-missing": ([SHELL, "{params.nope}"], {}, "user", "param_missing", ("'nope'", "the run has: a")),
    "input-missing": ([SHELL, "{inputs.nope}"], {}, "user", "input_missing", ("'nope'", "none")),
    "no-argv": ([], {}, "user", "config_invalid", ("config.argv",)),
    "unknown-key": ([SHELL], {"config": {"shell": True}}, "user", "config_invalid", ("config.shell", "known keys")),
    "image": ([SHELL], {"config": {"image": "x"}}, "user", "containers_not_allowed", ("OPS_COMMAND_CONTAINERS",)),
    "secret": (
        [SHELL],
        {"config": {"env": {"X": {"secret": "lakehouse.nope"}}}, "connections": ["lakehouse"]},
        "external",
        "secret_undefined",
        ("lakehouse.nope",),
    ),
    "secret-undeclared": (
        [SHELL],
        {"config": {"env": {"X": {"secret": "lakehouse.secret_key"}}}},
        "user",
        "secret_undefined",
        ("declares no connection 'lakehouse'",),
    ),
    "result-not-json": (
        [SHELL, "-c", "echo '{' > outputs/result.json"],
        {},
        "user",
        "result_not_json",
        ("outputs/result.json",),
    ),
}


def test_each_bad_input_ends_with_its_class_a_message_and_an_executor_that_goes_on(control_room: Room) -> None:
    executor = start(control_room, slots="3")
    files = {"README": "nothing", "broken": "#!/nowhere/at/all\n"}
    runs = {
        name: submit(control_room, argv, files, **{"params": {"a": "b"}, "retry": ONCE, **spec})
        for name, (argv, spec, *_) in BAD.items()
    }
    for name, (_, _, failure_class, code, words) in BAD.items():
        run = control_room.ended(runs[name], 90)
        error = run["error"]
        assert (run["state"], error["class"], error["code"]) == ("failed", failure_class, code), (name, error)
        for word in words:
            assert word in error["message"], (name, error["message"])
    assert executor.process.poll() is None
    assert control_room.ended(script(control_room, "echo on"))["state"] == "succeeded"


def processes_below(executor: Executor) -> list[psutil.Process]:
    """Those of programs: below the child of each warden."""
    wardens = psutil.Process(executor.pid).children()
    return [process for warden in wardens for process in warden.children(recursive=True)]


DAEMON = (
    "echo early > outputs/early.txt; setsid sh -c 'trap \"\" TERM; echo up; while :; do sleep 1; done' & "
    "trap 'echo asked > outputs/asked.txt; exit 0' TERM; while :; do sleep 0.1; done"
)


def test_a_cancelled_program_is_asked_first_and_what_it_leaves_is_kept_and_nothing_lives_on(control_room: Room) -> None:
    executor = start(control_room)
    run_id = script(control_room, DAEMON)
    wait_for("the daemon", lambda: "up" in control_room.logged(run_id))
    below = processes_below(executor)
    assert len(below) >= 3
    control_room.call("cancel_run", control_room.operator, run_id, {"reason": "seen enough"})
    assert control_room.ended(run_id)["state"] == "cancelled"
    assert control_room.artifacts(run_id) == {"early.txt": b"early\n", "asked.txt": b"asked\n"}
    assert psutil.wait_procs(below, timeout=20)[1] == []


@pytest.mark.parametrize(
    ("cap", "limit", "text"),
    [
        pytest.param(
            "wall_seconds", 2, "trap '' TERM; echo half > outputs/half.txt; while :; do sleep 0.1; done", id="wall"
        ),
        pytest.param(
            "memory_bytes",
            250_000_000,
            f"echo half > outputs/half.txt; {sys.executable} $1 & wait",
            id="memory-of-the-tree",
        ),
        pytest.param("log_bytes", 100_000, "echo half > outputs/half.txt; while :; do echo blah blah; done", id="log"),
    ],
)
def test_a_cap_ends_the_whole_tree_at_once_and_what_the_program_left_is_kept(
    control_room: Room, cap: str, limit: int, text: str
) -> None:
    executor = start(control_room)
    run_id = script(
        control_room, text, arguments=["{bundle}/eat.py"], files={"eat.py": EAT}, caps={cap: limit}, retry=ONCE
    )
    run = control_room.ended(run_id, 60)
    assert (run["state"], run["error"]["class"], run["error"]["code"]) == ("failed", "resources", "cap_exceeded")
    entry = ledger(control_room, run)
    assert (entry["cap"], float(entry["limit"])) == (cap, limit)
    assert entry["overshoot_ms"] < 4000
    assert control_room.artifacts(run_id)["half.txt"] == b"half\n"
    assert processes_below(executor) == []


def test_files_beyond_the_artifact_cap_end_the_run(control_room: Room) -> None:
    start(control_room)
    text = "head -c 300000 /dev/zero > outputs/large.bin"
    run = control_room.ended(script(control_room, text, caps={"artifact_bytes": 200_000}, retry=ONCE))
    assert (run["state"], run["error"]["code"]) == ("failed", "cap_exceeded")
    assert ledger(control_room, run)["cap"] == "artifact_bytes"


def test_links_in_outputs_are_left_out(control_room: Room) -> None:
    start(control_room)
    run_id = script(control_room, "echo x > outputs/x; ln -s /etc/passwd outputs/y; ln -s /etc outputs/z")
    assert control_room.ended(run_id)["state"] == "succeeded"
    assert control_room.artifacts(run_id) == {"x": b"x\n"}
    assert "outputs/y is a link" in control_room.logged(run_id, "system")


def test_a_secret_reaches_the_program_and_no_log_event_result_or_error(control_room: Room) -> None:
    control_room._write("connections.json", json.dumps({"partner": {"dsn": SECRET}}))
    start(control_room)
    text = (
        'echo "out $KEY"; echo "err $KEY" >&2; printf %s "$KEY" > outputs/key.txt; '
        'printf \'{"key": "%s"}\' "$KEY" > outputs/result.json; env; exit "$1"'
    )
    for code, state in (("0", "succeeded"), ("5", "failed")):
        config = {"env": {"KEY": {"secret": "partner.dsn"}}}
        run_id = script(control_room, text, arguments=[code], config=config, connections=["partner"])
        run = control_room.ended(run_id)
        assert run["state"] == state, run["error"]
        assert control_room.artifacts(run_id)["key.txt"] == SECRET.encode(), "the program has it"
        events = control_room.call("run_events", control_room.operator, run_id, {"limit": 1000})
        said = json.dumps([run, events], default=str, ensure_ascii=False)
        said += "".join(control_room.logged(run_id, stream) for stream in ("stdout", "stderr", "system"))
        assert "out ***" in said
        assert "hunter2" not in said
    log = control_room.executors[0].log.read_text()
    assert "hunter2" not in log


@pytest.mark.parametrize("lines", [1, 3000], ids=["short", "longer-than-what-is-held"])
def test_an_error_shows_no_half_of_a_secret_of_many_lines(control_room: Room, lines: int) -> None:
    key = "-----BEGIN KEY-----\n" + "\n".join(f"half-of-it-{number}" for number in range(8)) + "\n-----END KEY-----"
    control_room._write("connections.json", json.dumps({"partner": {"pem": key}}))
    start(control_room)
    text = f'i=0; while [ $i -lt {lines} ]; do i=$((i+1)); echo "$KEY" >&2; done; exit 3'
    config = {"env": {"KEY": {"secret": "partner.pem"}}}
    run = control_room.ended(script(control_room, text, config=config, connections=["partner"]))
    assert "***" in run["error"]["message"]
    assert "half-of-it" not in json.dumps(run["error"])
    assert "half-of-it" not in control_room.logged(run["run_id"], "stderr")


def test_a_program_sees_neither_the_executors_settings_nor_its_python(control_room: Room) -> None:
    start(control_room)
    run_id = script(control_room, "env; cat /proc/$PPID/environ; ls $CONTROL_ROOM_OUTPUTS")
    control_room.ended(run_id)
    said = control_room.logged(run_id)
    assert "CONTROL_ROOM_RUN=" in said
    assert "OPS_" not in said
    assert control_room.token not in said
    environment = said.split("\x00")[0].splitlines()
    assert not any(line.startswith("PYTHON") for line in environment if "=" in line and "\\x00" not in line)


@pytest.mark.parametrize(
    ("allow", "words"),
    [
        ("", "OPS_COMMAND_ALLOW=/usr/bin/rsync,bundle"),
        ("rsync", "'rsync' is no absolute path"),
        ("/nowhere/rsync", "/nowhere/rsync is no program"),
        ("/etc/passwd", "/etc/passwd is no program"),
    ],
)
def test_without_a_list_that_can_be_kept_the_executor_does_not_start(tmp_path: Path, allow: str, words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "executors.runtime.main", "command"],
        env={
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(ROOT),
            "OPS_URL": "http://127.0.0.1:1",
            "OPS_COMMAND_ALLOW": allow,
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_where_the_bundle_is_not_allowed_neither_its_programs_nor_its_libraries_are(control_room: Room) -> None:
    start(control_room, allow=SHELL, command_env="MODE")
    tool = {"tool": "#!/bin/sh\necho hello\n"}
    refused = control_room.ended(submit(control_room, ["tool"], tool))
    assert (refused["error"]["class"], refused["error"]["code"]) == ("user", "program_not_allowed")
    for name in ("LD_PRELOAD", "HOME"):
        steered = control_room.ended(script(control_room, "exit 0", config={"env": {name: "{bundle}"}}))
        assert (steered["error"]["code"], f"env.{name}" in steered["error"]["message"]) == ("config_invalid", True)
    named = control_room.ended(script(control_room, 'echo "$MODE"', config={"env": {"MODE": "fast", "LC_ALL": "C"}}))
    assert control_room.logged(named["run_id"]) == "fast\n"


def test_the_template_of_the_how_to_runs_as_the_page_says(control_room: Room) -> None:
    page = (ROOT / "spec" / "docs" / "how-to" / "run-a-command.md").read_text("utf-8")
    (text,) = re.findall(r"^```yaml\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL)
    template = {name: value for name, value in yaml.safe_load(text).items() if name != "name"}
    assert template.pop("bundle") == "words"  # a folder, which `templates apply` uploads: the files below
    assert template_issues({"name": "x", **template}, {}) == []
    (allow,) = set(re.findall(r"OPS_COMMAND_ALLOW=(\S+) control-room", page))
    start(control_room, allow)
    files = {"words.txt": "a\nb\nc\n"}
    run_id = control_room.submit(files, None, params={"count": 2}, **template)  # type: ignore[arg-type]
    assert control_room.ended(run_id)["state"] == "succeeded"
    found = control_room.artifacts(run_id)
    assert list(found) == ["sample.txt"]
    assert len(set(found["sample.txt"].split()) & {b"a", b"b", b"c"}) == 2
