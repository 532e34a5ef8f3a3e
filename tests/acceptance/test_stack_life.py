"""One embedded stack through its life: who may read it, what dies and heals, what stays after down and up."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest
import yaml
from botocore.exceptions import ClientError

from tests.support.stack import Stack, kill, wait_until

SERVICES = ("postgres", "objectstore", "server", "executor-python")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("life") / ".control-room")
    try:
        stack.run("up", "--executors", "python=2")
        apply_hello(stack)
        yield stack
    finally:
        stack.run("down", "--drain", "1", check=False)


def apply_hello(stack: Stack) -> None:
    """A template whose run says hello and leaves an artifact. The first attempt of one for a sleeper never ends."""
    folder = stack.data_dir.parent / "hello"
    (folder / "code").mkdir(parents=True)
    (folder / "code" / "hello.py").write_text(
        "import time\ndef main(context):\n    print('hello', context.params['name'], flush=True)\n"
        "    context.artifact('hello.txt', b'hello')\n"
        "    time.sleep(600 if (context.params['name'], context.attempt) == ('sleeper', 1) else 0)\n"
    )
    schema = {
        "type": "object",
        "additionalProperties": False,
        "properties": {"name": {"type": "string", "default": "you"}},
    }
    spec = {"name": "hello", "kind": "python", "bundle": "code", "entrypoint": "hello:main", "params_schema": schema}
    (folder / "hello.yaml").write_text(yaml.safe_dump(spec))
    stack.run("templates", "apply", str(folder))


def services(stack: Stack) -> dict[str, dict[str, Any]]:
    return {service["name"]: service for service in status(stack)["services"]}


def status(stack: Stack) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(stack.run("status", "--json", check=False).stdout)
    return found


def runs(pid: int) -> bool:
    """Whether the process lives; one that nobody has reaped yet does not."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def is_ready(stack: Stack) -> bool:
    return bool(status(stack)["phase"] == "ready")


def s3(stack: Stack, key_file: str) -> Any:
    key = json.loads((stack.data_dir / "secrets" / key_file).read_text())
    return boto3.client(
        "s3",
        endpoint_url=stack.connection()["endpoint"],
        region_name="us-east-1",
        aws_access_key_id=key["access_key"],
        aws_secret_access_key=key["secret_key"],
    )


def refusal(call: Any, **arguments: Any) -> int:
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    return int(refused.value.response["ResponseMetadata"]["HTTPStatusCode"])


def test_status_names_each_service_with_its_process(stack: Stack) -> None:
    found = services(stack)
    assert set(found) == set(SERVICES)
    for service in found.values():
        assert service["state"] == "ready"
        assert runs(service["pid"])
        assert service["memory_bytes"] > 0


def test_up_on_a_stack_that_is_up_changes_nothing(stack: Stack) -> None:
    before = {name: service["pid"] for name, service in services(stack).items()}
    stack.run("up")
    assert {name: service["pid"] for name, service in services(stack).items()} == before


def test_a_second_stack_on_one_folder_is_refused(stack: Stack) -> None:
    refused = stack.run("up", "--foreground", check=False)
    assert refused.returncode == 3
    assert "another stack runs on this data folder" in refused.stderr
    assert is_ready(stack)


def test_up_with_other_options_than_the_running_ones_is_refused_with_the_next_step(stack: Stack) -> None:
    refused = stack.run("up", "--executors", "python=1", check=False)
    assert refused.returncode == 3
    assert "control-room down" in refused.stderr


def test_secrets_are_readable_by_their_owner_alone(stack: Stack) -> None:
    folder = stack.data_dir / "secrets"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    files = [*folder.iterdir(), stack.data_dir / "stack.json", stack.data_dir / "s3" / "security.toml"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_no_secret_is_in_the_arguments_or_the_environment_of_any_process(stack: Stack) -> None:
    values = {file.read_text().strip() for file in (stack.data_dir / "secrets").glob("*.token")}
    values |= {file.read_text().strip() for file in (stack.data_dir / "secrets").glob("*.password")}
    for name in ("s3-server.json", "s3-lakehouse.json"):
        values.add(json.loads((stack.data_dir / "secrets" / name).read_text())["secret_key"])
    assert len(values) > 4
    for service in services(stack).values():
        for kind in ("cmdline", "environ"):
            with unless_closed_to_its_own_user(service):
                seen = Path(f"/proc/{service['pid']}/{kind}").read_bytes().decode(errors="replace")
                assert not [value for value in values if value in seen], (service["name"], kind)


@contextmanager
def unless_closed_to_its_own_user(service: dict[str, Any]) -> Iterator[None]:
    """Executors are, as processes of theirs handle tokens; root looks into them all the same."""
    try:
        yield
    except (PermissionError, psutil.AccessDenied):
        assert os.geteuid() != 0
        assert service["name"].startswith("executor-")


def test_every_port_listens_on_loopback_alone(stack: Stack) -> None:
    addresses = set()
    for service in services(stack).values():
        with unless_closed_to_its_own_user(service):
            for connection in psutil.Process(service["pid"]).net_connections("inet"):
                if connection.status == psutil.CONN_LISTEN:
                    addresses.add(connection.laddr.ip)
    assert addresses == {"127.0.0.1"}


def test_the_executors_key_opens_the_lakehouse_bucket_and_no_artifact(stack: Stack) -> None:
    s3(stack, "s3-server.json").put_object(Bucket="artifacts", Key="theirs", Body=b"1")
    executor = s3(stack, "s3-lakehouse.json")
    executor.put_object(Bucket="lakehouse", Key="mine", Body=b"1")
    assert executor.get_object(Bucket="lakehouse", Key="mine")["Body"].read() == b"1"
    assert refusal(executor.get_object, Bucket="artifacts", Key="theirs") == 403
    assert refusal(executor.put_object, Bucket="artifacts", Key="theirs", Body=b"2") == 403
    assert refusal(executor.list_objects_v2, Bucket="artifacts") == 403
    assert refusal(executor.delete_object, Bucket="artifacts", Key="theirs") == 403
    assert refusal(executor.copy_object, Bucket="lakehouse", Key="stolen", CopySource="artifacts/theirs") == 403


def test_a_run_goes_through_the_whole_stack(stack: Stack) -> None:
    done = stack.run("submit", "hello", "-p", "name=stack", "--follow", "--json")
    run = json.loads(done.stdout)
    assert run["state"] == "succeeded"
    assert "hello stack" in stack.run("runs", "logs", str(run["number"])).stdout
    assert stack.json("artifacts", "verify", str(run["number"]))["ok"] is True


def test_a_run_is_signed_by_the_stacks_own_key_and_proved_where_no_stack_is(stack: Stack, tmp_path: Path) -> None:
    run = stack.json("submit", "hello", "-p", "name=proof", "--follow")
    number = str(run["number"])
    wait_until(lambda: stack.json("verify", number)["findings"][0]["ok"], seconds=30, what="its manifest")
    found = stack.json("verify", number)["findings"]
    assert {finding["step"] for finding in found} >= {"manifest", "signature", "events", "artifacts"}
    assert all(finding["ok"] for finding in found)
    archive = tmp_path / "run.tar"
    stack.run("export", number, "-o", str(archive))
    elsewhere = Stack(tmp_path / "nothing")
    assert elsewhere.json("verify", "--offline", str(archive))["ok"] is True


def test_with_json_a_refusal_of_the_server_is_its_problem_on_stdout(stack: Stack) -> None:
    refused = stack.run("runs", "show", "999999", "--json", check=False)
    problem = json.loads(refused.stdout)
    assert (refused.returncode, problem["exit_code"], problem["code"], problem["status"]) == (
        3,
        3,
        "run_not_found",
        404,
    )
    assert problem["detail"] in refused.stderr


def test_a_failed_run_is_shown_with_its_place_and_the_end_of_its_trace(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "bad.py").write_text(
        "def main(context):\n    return inner()\n\n\ndef inner():\n    return 1 / 0\n"
    )
    (tmp_path / "bad.yaml").write_text("{name: bad, kind: python, bundle: code, entrypoint: 'bad:main'}")
    stack.run("templates", "apply", str(tmp_path / "bad.yaml"))
    failed = stack.run("submit", "bad", "--follow", check=False)
    assert failed.returncode == 1
    begun = re.search(r"run (\d+)", failed.stdout)
    assert begun
    shown = stack.run("runs", "show", begun.group(1)).stdout
    assert "at bad.py:6: ZeroDivisionError: division by zero" in failed.stdout
    assert "at bad.py:6: ZeroDivisionError: division by zero" in shown
    assert 'File "bad.py", line 2, in main' in shown
    assert "{'file'" not in failed.stdout + shown


def test_workspaces_are_listed_by_the_command_that_a_refused_name_leads_to(stack: Stack) -> None:
    refused = stack.run("migrate", "token", "x", "--role", "viewer", "--workspace", "no", "--output", "-", check=False)
    assert refused.returncode == 3
    assert "control-room workspaces ls" in refused.stderr
    assert "default" in [workspace["name"] for workspace in stack.json("workspaces", "ls")["items"]]
    assert "default" in stack.run("workspaces", "ls").stdout


def test_a_revoked_token_opens_nothing_and_an_unknown_name_is_told(stack: Stack, tmp_path: Path) -> None:
    token = tmp_path / "guest.token"
    stack.run("migrate", "token", "guest", "--role", "viewer", "--output", str(token))
    elsewhere = ("--url", status(stack)["urls"]["dashboard"], "--token-file", str(token), "runs", "ls")
    stack.run(*elsewhere)
    stack.run("migrate", "revoke", "guest")
    assert stack.run(*elsewhere, check=False).returncode == 3
    again = stack.run("migrate", "revoke", "guest", check=False)
    assert again.returncode == 3
    assert "no living token is named 'guest'" in again.stderr


SPY = """
from pathlib import Path

def main(context):
    root = Path(context.params["root"])
    names = ["stack.json", "secrets/operator.token", "pg/PG_VERSION", "s3/security.toml", "logs/server.log"]
    seen = {name: read(root / name) for name in names + [".gitignore"]}
    return seen | {"write": write(root / "stop.request"), "write granted": write(root.parent / "granted" / "x")}

def write(target):
    try:
        target.write_text("evil")
    except OSError as error:
        return type(error).__name__
    return "done"

def read(target):
    try:
        return len(target.read_bytes()) > 0
    except OSError as error:
        return type(error).__name__
"""


def test_user_code_reads_no_secret_log_or_state_and_writes_nothing_of_the_stack(stack: Stack, tmp_path: Path) -> None:
    apply_spy(stack, tmp_path)
    found = spied(stack)
    hidden = ("stack.json", "secrets/operator.token", "pg/PG_VERSION", "s3/security.toml", "logs/server.log")
    assert {name: found[name] for name in hidden} == dict.fromkeys(hidden, "PermissionError")
    assert found[".gitignore"] is True, "it looked in the right place"
    assert (found["write"], found["write granted"]) == ("PermissionError", "PermissionError")


def test_user_code_writes_where_the_variable_of_the_start_allows_it_and_still_not_to_the_stack(stack: Stack) -> None:
    stack.run("down", "--drain", "2")
    stack.run("up", OPS_WRITABLE=f"{stack.data_dir.parent / 'granted'}:{stack.data_dir}")
    found = spied(stack)
    assert (found["write"], found["write granted"]) == ("PermissionError", "done")
    assert found["secrets/operator.token"] == "PermissionError"
    stack.run("down", "--drain", "2")
    stack.run("up")


def spied(stack: Stack) -> dict[str, Any]:
    done = stack.run("submit", "spy", "-p", f"root={stack.data_dir}", "--follow", "--json")
    found: dict[str, Any] = json.loads(done.stdout)["result"]
    return found


def apply_spy(stack: Stack, tmp_path: Path) -> None:
    (stack.data_dir.parent / "granted").mkdir()
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "spy.py").write_text(SPY)
    spec = {"name": "spy", "kind": "python", "bundle": "code", "entrypoint": "spy:main"}
    schema = {"type": "object", "properties": {"root": {"type": "string"}}}
    (tmp_path / "spy.yaml").write_text(yaml.safe_dump({**spec, "params_schema": schema}))
    stack.run("templates", "apply", str(tmp_path / "spy.yaml"))


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_killed_with_kill_9_is_started_again(stack: Stack, name: str) -> None:
    before = services(stack)[name]
    kill(before["pid"])
    wait_until(lambda: services(stack)[name]["pid"] not in (None, before["pid"]), seconds=30, what=f"a new {name}")
    wait_until(lambda: is_ready(stack), seconds=60, what="the stack to be ready again")
    after = services(stack)[name]
    assert after["restarts"] == before["restarts"] + 1
    assert "killed by signal 9" in after["last_error"]
    assert after["last_error_at"] is not None
    assert "killed by" not in stack.run("status").stdout  # it has healed: that is no news any more
    assert after["port"] == before["port"]
    run = json.loads(stack.run("submit", "hello", "--follow", "--json").stdout)
    assert run["state"] == "succeeded"


def test_services_outlive_a_killed_supervisor_and_the_next_up_adopts_them(stack: Stack) -> None:
    before = {name: service["pid"] for name, service in services(stack).items()}
    kill(status(stack)["supervisor"]["pid"])
    wait_until(lambda: status(stack)["phase"] == "unsupervised", seconds=10, what="the supervisor to be gone")
    assert all(runs(pid) for pid in before.values())
    stack.run("up")
    after = services(stack)
    assert {name: service["pid"] for name, service in after.items()} == before
    assert all(service["adopted"] for service in after.values())
    kill(before["executor-python"])
    wait_until(
        lambda: is_ready(stack) and services(stack)["executor-python"]["pid"] != before["executor-python"],
        seconds=60,
        what="an adopted service to heal",
    )


def test_a_run_that_down_interrupts_is_told_goes_on_after_up_and_loses_no_attempt(stack: Stack) -> None:
    number = str(stack.json("submit", "hello", "-p", "name=sleeper", "--max-attempts", "1")["number"])
    logged = lambda: "hello sleeper" in stack.run("runs", "logs", number).stdout  # noqa: E731
    wait_until(logged, seconds=30, what="the run to work")
    assert stack.json("down", "--drain", "0")["interrupted_runs"] == 1
    stack.run("up")
    done = lambda: stack.json("runs", "show", number)["state"] == "succeeded"  # noqa: E731
    wait_until(done, seconds=30, what="the run to be done again")
    assert "in attempt 2 of at most 2" in stack.run("runs", "why", number).stdout


def test_down_without_a_supervisor_stops_what_it_left(stack: Stack) -> None:
    pids = [service["pid"] for service in services(stack).values()]
    kill(status(stack)["supervisor"]["pid"])
    wait_until(lambda: status(stack)["phase"] == "unsupervised", seconds=10, what="the supervisor to be gone")
    stack.run("down", "--drain", "2")
    assert not [pid for pid in pids if runs(pid)]
    assert status(stack)["phase"] == "stopped"


def test_down_and_up_lose_nothing_and_keep_the_ports(stack: Stack) -> None:
    stack.run("up")
    before = stack.json("runs", "ls")["items"]
    ports = status(stack)["ports"]
    assert before
    stack.run("down", "--drain", "2")
    assert stack.run("runs", "ls", check=False).returncode == 4
    assert stack.run("status", check=False).returncode == 1
    stack.run("up")
    assert status(stack)["ports"] == ports
    assert stack.json("runs", "ls")["items"] == before
    finished = next(run for run in before if run["state"] == "succeeded")
    assert stack.json("artifacts", "verify", str(finished["number"]))["ok"] is True


def test_a_stack_whose_state_file_was_lost_starts_again_with_its_data(stack: Stack) -> None:
    before = [run["run_id"] for run in stack.json("runs", "ls")["items"]]
    stack.run("down", "--drain", "2")
    (stack.data_dir / "stack.json").unlink()
    stack.run("up", "--executors", "python=2")
    assert [run["run_id"] for run in stack.json("runs", "ls")["items"]] == before


def test_services_run_in_sessions_of_their_own_and_hold_no_terminal(stack: Stack) -> None:
    for service in services(stack).values():
        assert os.getsid(service["pid"]) == service["pid"]
        assert psutil.Process(service["pid"]).terminal() is None


def test_foreground_ends_cleanly_on_sigterm(stack: Stack) -> None:
    stack.run("down", "--drain", "2")
    process = stack.start("up", "--foreground")
    try:
        wait_until(lambda: is_ready(stack), seconds=60, what="the stack to be ready")
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.communicate()
    assert status(stack)["phase"] == "stopped"
    assert not subprocess.run(["pgrep", "-f", str(stack.data_dir)], capture_output=True).stdout


def test_a_token_file_that_was_written_over_opens_nothing_and_stops_the_next_up(stack: Stack) -> None:
    stack.run("down")
    file = stack.data_dir / "secrets" / "operator.token"
    kept = file.read_text()
    file.write_text("known-to-an-intruder-0123456789abcdef0123456789\n")
    done = stack.run("up", check=False)
    assert done.returncode != 0
    assert "operator.token" in done.stderr + done.stdout
    file.unlink()
    stack.run("up")
    assert file.read_text() != kept
    assert stack.run("runs", "ls").returncode == 0
