"""`control-room submit` against a real server: after other runs, and many at once."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import Any

from control_room.errors import FAILED, MISUSE, OK, REFUSED
from tests.contract.operator.conftest import OPERATOR, Server, Worker, until

TYPED = {"type": "object", "properties": {"n": {"type": "integer"}}}


async def command(
    server: Server, folder: Path, *words: str, text: str = "", verb: tuple[str, ...] = ("submit",)
) -> tuple[int, str, str]:
    """(exit code, stdout, stderr) of control-room submit, or of another verb."""
    token = folder / "token"
    token.write_text(OPERATOR)
    environment = {**os.environ, "OPS_URL": server.url, "OPS_TOKEN_FILE": str(token), "NO_COLOR": "1"}
    program = [sys.executable, "-m", "control_room.cli", *verb, *words]
    process = await asyncio.create_subprocess_exec(
        *program, stdin=PIPE, stdout=PIPE, stderr=PIPE, cwd=folder, env=environment
    )
    out, err = await process.communicate(text.encode())
    return process.returncode or 0, out.decode(), err.decode()


def lines(*bodies: Any) -> str:
    return "\n".join(body if isinstance(body, str) else json.dumps(body) for body in bodies)


async def test_a_file_of_submits_goes_in_line_by_line_and_only_once_with_its_prefix(
    server: Server, tmp_path: Path
) -> None:
    await server.template(params_schema=TYPED)
    file = tmp_path / "runs.jsonl"
    good = [{"template": "job", "params": {"n": n}} for n in range(1200)]
    file.write_text(lines(*good[:10], "", "{no json", {"template": "ghost"}, "[1]", *good[10:]))
    words = ("--bulk", str(file), "--idempotency-key", "night")
    code, out, err = await command(server, tmp_path, *words)
    assert code == REFUSED
    assert "1,200 runs submitted, 3 refused" in out
    assert f"{file}:12: is no JSON" in err
    assert f"{file}:13: there is no template 'ghost'" in err
    assert f"{file}:14: is no object" in err
    code, out, _ = await command(server, tmp_path, *words, "--json")
    told = json.loads(out)
    assert (code, told["accepted"], told["refused"]) == (REFUSED, 1200, 3)
    assert all(item["repeated"] for item in told["items"] if item["problem"] is None)
    assert [item["line"] for item in told["items"] if item["problem"]] == [12, 13, 14]
    assert server.ops.value("select count(*) from ops.runs") == 1200


async def test_submits_come_from_standard_input_too(server: Server, tmp_path: Path) -> None:
    await server.template()
    code, out, _ = await command(server, tmp_path, "--bulk", "-", text=lines(*[{"template": "job"}] * 3))
    assert (code, "3 runs submitted" in out) == (OK, True)


async def test_a_run_is_submitted_after_others(server: Server, tmp_path: Path) -> None:
    await server.template("first")
    await server.template(inputs=[{"name": "raw", "kind": "table"}])
    one, two = await server.submit("first"), await server.submit("first")
    after = ("--after", str(one["number"]), "--after", two["run_id"])
    words = (*after, "--condition", "none_failed", "--input", f"raw={one['number']}:flights")
    code, out, _ = await command(server, tmp_path, "job", *words)
    assert (code, "is waiting" in out) == (OK, True)
    run = (await server.operator.get("/api/v1/runs/3")).json()
    assert run["condition"] == "none_failed"
    assert [(p["number"], p["inputs"]) for p in run["depends_on"]] == [(1, {"raw": "flights"}), (2, {})]


async def test_what_makes_no_sense_is_said_before_anything_is_submitted(server: Server, tmp_path: Path) -> None:
    await server.template()
    for words, said in (
        ((), "which template?"),
        (("job", "--bulk", "x.jsonl"), "--bulk takes everything from the lines"),
        (("--bulk", "none.jsonl"), "cannot be read"),
        (("job", "--input", "raw=x"), "does not say which run"),
        (("job", "--after", "1", "--after", "2", "--input", "raw=x"), "does not say which run"),
        (("job", "--after", "99"), "there is no run 99"),
        (("job", "--on-conflict", "return"), "without dedupe_key"),
    ):
        code, _, err = await command(server, tmp_path, *words)
        assert (code, said in err) == (MISUSE, True), (words, err)
    assert server.ops.value("select count(*) from ops.runs") == 0


async def test_a_run_that_nobody_takes_says_so_and_what_to_do(server: Server, tmp_path: Path) -> None:
    await server.template("sql", kind="spark")
    code, out, err = await command(server, tmp_path, "sql")
    assert code == OK
    assert "no spark executor is alive; start one: `" in out + err
    assert "up --with spark`" in out + err
    _, out, err = await command(server, tmp_path, "show", "1", verb=("runs",))
    assert "no spark executor is alive" in out + err
    _, out, err = await command(server, tmp_path, "why", "1", verb=("runs",))
    assert "next: start one" in out + err


async def test_a_submit_into_a_paused_queue_says_who_paused_it_and_how_to_resume(
    server: Server, tmp_path: Path
) -> None:
    await server.template()
    await Worker.start(server)
    await command(server, tmp_path, "pause", "default", "--reason", "month's end", verb=("queues",))
    code, out, err = await command(server, tmp_path, "job")
    assert code == OK
    assert "month's end" in out + err
    assert "queues resume default` ends the pause" in out + err


async def test_who_follows_a_run_that_nobody_takes_reads_why(server: Server, tmp_path: Path) -> None:
    await server.template()

    async def followed() -> tuple[int, str, str]:
        return await command(server, tmp_path, "job", "--follow")

    following = asyncio.create_task(followed())
    await until(lambda: server.ops.value("select count(*) from ops.runs") == 1)
    await asyncio.sleep(5)  # so long nobody is there
    worker = await Worker.start(server)
    await worker.claim()
    await worker.succeed()
    code, out, err = await following
    assert code == OK, err
    assert "queued — no python executor is alive; start one: `" in out + err


async def test_inputs_are_checked_in_the_words_of_the_command(server: Server, tmp_path: Path) -> None:
    await server.template("first")
    await server.template(inputs=[{"name": "customers", "kind": "table"}])
    await server.submit("first")
    for words, said in (
        (("--after", "1", "--input", "kunden=customers"), "template job has no input 'kunden'"),
        (("--after", "1"), "template job reads customers, and no run gives that"),
    ):
        code, _, err = await command(server, tmp_path, "job", *words)
        assert (code, said in err, "depends_on" in err) == (MISUSE, True, False), (words, err)


async def test_a_submit_on_record_is_found_although_its_template_has_other_inputs_by_now(
    server: Server, tmp_path: Path
) -> None:
    await server.template("first")
    await server.template(inputs=[{"name": "customers", "kind": "table"}])
    await server.submit("first")
    words = ("job", "--after", "1", "--input", "customers=customers", "--idempotency-key", "k", "--json")
    code, out, err = await command(server, tmp_path, *words)
    assert code == OK, err
    await server.template(inputs=[{"name": "kunden", "kind": "table"}])
    again, told, err = await command(server, tmp_path, *words)
    assert again == OK, err
    assert json.loads(told)["run_id"] == json.loads(out)["run_id"]


async def test_a_run_that_ends_at_its_submit_is_no_success(server: Server, tmp_path: Path) -> None:
    await server.template("first")
    await server.template(inputs=[{"name": "customers", "kind": "artifact"}])
    await server.submit("first")
    worker = await Worker.start(server)
    await worker.claim()
    await worker.artifact("customers", b"1")
    await worker.succeed()
    code, out, err = await command(server, tmp_path, "job", "--after", "1", "--input", "customers=customer")
    assert code == FAILED, out
    assert "input customers: run 1 published no output customer; it left customers" in out + err
