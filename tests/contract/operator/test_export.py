"""`export` and `verify --offline`: one archive that proves a run with no server, no database and no store at hand."""

from __future__ import annotations

import asyncio
import io
import json
import os
import sys
import tarfile
from asyncio.subprocess import PIPE
from collections.abc import Callable
from pathlib import Path

import pytest

from control_room.errors import FAILED, MISUSE, OK, REFUSED
from control_room.provenance import keys
from tests.contract.operator.conftest import API, Server, Worker
from tests.contract.operator.proving import Proved, fresh, make_manifests, proved, run_with
from tests.contract.operator.test_submit_command import command
from tests.support.seaweed import Seaweed

Members = dict[str, bytes]
# A process in which nothing of database, store and server can be imported.
ALONE = """
import sys
for name in ("psycopg", "psycopg_pool", "boto3", "botocore", "fastapi", "uvicorn", "deltalake", "pyarrow"):
    sys.modules[name] = None
from control_room.cli import main
main()
"""


@pytest.fixture
async def both(server: Server, tmp_path: Path) -> Proved:
    return await proved(server, tmp_path)


async def export(both: Proved, ref: str = "1") -> Path:
    path = both.folder / f"run-{ref}.tar"
    code, _, err = await command(both.server, both.folder, ref, "-o", str(path), verb=("export",))
    assert (code, err) == (OK, "")
    return path


async def offline(path: Path, *words: str) -> tuple[int, str, str]:
    """(exit code, stdout, stderr) of a process that knows of no control room and could not reach one."""
    known = ("PATH", "PYTHONPATH", "HOME", "LANG")
    environment = {name: os.environ[name] for name in known if name in os.environ} | {"NO_COLOR": "1"}
    program = [sys.executable, "-c", ALONE, "verify", "--offline", str(path), *words]
    process = await asyncio.create_subprocess_exec(
        *program, stdin=PIPE, stdout=PIPE, stderr=PIPE, cwd=path.parent, env=environment
    )
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def broken(path: Path) -> list[tuple[str, str, str]]:
    """(step, where, text) of what does not hold."""
    code, out, err = await offline(path, "--json")
    assert (code, err) == (FAILED, "")
    return [(f["step"], f["where"], f["text"]) for f in json.loads(out)["findings"] if f["ok"] is False]


def rewritten(path: Path, change: Callable[[Members], None]) -> Path:
    """The archive with members changed by somebody who can write a tar as well as we."""
    with tarfile.open(path) as tar:
        members = {member.name: tar.extractfile(member).read() for member in tar.getmembers()}  # type: ignore[union-attr]
    change(members)
    other = path.with_suffix(".changed.tar")
    with tarfile.open(other, "w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return other


async def test_an_archive_verifies_with_nothing_else_at_hand(both: Proved) -> None:
    path = await export(both)
    before = path.read_bytes()
    code, out, err = await offline(path)
    assert (code, err) == (OK, "")
    assert "all 6 checks hold; 1 could not be checked" in out
    assert "the public key came with the archive" in out
    key_id = keys.key_id(keys.public_of(keys.load(both.key)))
    code, out, _ = await offline(path, "--key", key_id)
    assert (code, "all 6 checks hold" in out, "could not" in out) == (OK, True, False)
    code, out, _ = await offline(path, "--key", "f" * 64)
    assert (code, "is none of those that you trust" in out) == (FAILED, True)
    assert await export(both) == path
    assert path.read_bytes() == before
    with tarfile.open(path) as tar:
        names = tar.getnames()
    assert {name.split("/")[0] for name in names} == {"index.json", "keys.json", "runs", "objects"}


async def test_a_pipelines_archive_holds_its_tasks(server: Server, tmp_path: Path) -> None:
    key = keys.ensure(tmp_path / "signing.key")
    await server.template()
    tasks = {"a": {"template": "job"}, "b": {"template": "job", "depends_on": ["a"]}}
    spec = {"name": "flow", "kind": "pipeline", "tasks": tasks}
    assert (await server.operator.put(f"{API}/templates/flow", json=spec)).status_code == 200
    pipeline = await server.submit("flow")
    worker = await Worker.start(server)
    for _ in tasks:
        await run_with(worker, fresh(100))
    await make_manifests(server, key)
    await make_manifests(server, key)
    path = await export(Proved(server, tmp_path, pipeline, {}, [], []), str(pipeline["number"]))
    code, out, err = await offline(path)
    assert (code, err) == (OK, "")
    assert [line for line in out.splitlines() if line.startswith("run ")] == ["run 1", "run 2", "run 3"]
    code, out, _ = await offline(path, "3")
    assert (code, "run 3" in out, "run 2" in out) == (OK, True, False)


async def test_a_byte_a_row_a_manifest_or_a_key_changed_in_an_archive_is_named(both: Proved) -> None:
    path = await export(both)
    folder = f"runs/{both.first['run_id']}"

    def flip(members: Members) -> None:
        (name,) = [name for name in members if name.startswith("objects/")]
        members[name] = members[name][:-1] + b"!"

    def forge(members: Members) -> None:
        members[f"{folder}/manifest.json"] = members[f"{folder}/manifest.json"].replace(b"14000", b"14001")

    def swap_keys(members: Members) -> None:
        other = keys.public_of(keys.load(keys.ensure(both.folder / "other.key")))
        found = json.loads(members["keys.json"])
        found["items"][0]["public_key"] = other.hex()
        members["keys.json"] = json.dumps(found).encode()

    def no_signature(members: Members) -> None:
        del members[f"{folder}/envelope.json"]

    def no_object(members: Members) -> None:
        del members[next(name for name in members if name.startswith("objects/"))]

    ((step, where, text),) = await broken(rewritten(path, flip))
    assert (step, where, text.startswith("bytes 0 to 13999 have sha256")) == ("artifacts", "report.html", True)
    assert {step for step, _, _ in await broken(rewritten(path, forge))} == {"manifest", "signature", "artifacts"}
    ((step, where, _),) = await broken(rewritten(path, swap_keys))
    assert (step, where) == ("signature", "signature")
    ((step, where, _),) = await broken(rewritten(path, no_signature))
    assert (step, where) == ("signature", "envelope")
    ((step, _, text),) = await broken(rewritten(path, no_object))
    assert (step, text) == ("artifacts", "its 14000 bytes are gone from the store")


async def test_events_dropped_reordered_or_doubled_in_an_archive_are_named(both: Proved) -> None:
    path = await export(both)
    name = f"runs/{both.first['run_id']}/events.jsonl"

    def order(*kept: int) -> Callable[[Members], None]:
        def change(members: Members) -> None:
            lines = members[name].splitlines(keepends=True)
            members[name] = b"".join(lines[place] for place in kept)

        return change

    last = both.server.ops.value("select event_seq from ops.runs where number = 1")
    every = list(range(last))
    ((_, where, text),) = await broken(rewritten(path, order(0, *every[2:])))
    assert (where, text) == ("event 3", "it follows event 1: 1 between them are gone")
    ((_, where, text),) = await broken(rewritten(path, order(0, 1, 1, *every[2:])))
    assert (where, text.startswith("it comes after event 2")) == ("event 2", True)
    ((_, where, _),) = await broken(rewritten(path, order(0, 2, 1, *every[3:])))
    assert where == "event 3"
    found = await broken(rewritten(path, order(*every[:-1])))
    assert [where for _, where, _ in found] == [f"event {last}", f"event {last}"]


async def test_what_is_no_whole_archive_is_refused(both: Proved) -> None:
    path = await export(both)
    for name, data, told in (
        ("short.tar", path.read_bytes()[:2000], "cut short"),
        ("text.tar", b"hello", "it is no archive"),
        ("empty.tar", b"\0" * 10240, "index.json is not in it"),
    ):
        other = path.with_name(name)
        other.write_bytes(data)
        code, _, err = await offline(other)
        assert (code, told in err) == (FAILED, True), err
    with tarfile.open(path, "a") as tar:
        tar.addfile(tarfile.TarInfo("index.json"), io.BytesIO())
    code, _, err = await offline(path)
    assert (code, "a name is in it twice" in err) == (FAILED, True)
    shaped = rewritten(await export(both, "2"), lambda members: members.update({"keys.json": b'{"items": [1]}'}))
    code, _, err = await offline(shaped)
    assert (code, "not shaped as one" in err) == (FAILED, True)
    code, _, err = await offline(path.with_name("none.tar"))
    assert (code, "cannot be read" in err) == (MISUSE, True)


async def test_what_does_not_hold_is_not_exported_as_if_it_did(both: Proved, object_store: Seaweed) -> None:
    key = both.server.ops.value("select object_key from ops.artifacts where artifact_id = %s", both.artifacts[0])
    path = both.folder / "run.tar"
    for data in (both.data[0][:-1] + b"!", both.data[0][:-1], both.data[0] + b"!"):
        object_store.client().put_object(Bucket="artifacts", Key=key, Body=data)
        code, _, err = await command(both.server, both.folder, "1", "-o", str(path), verb=("export",))
        assert (code, "the store holds other bytes for 'report.html'" in err) == (FAILED, True)
    assert not list(both.folder.glob("*run.tar*"))
    await both.server.submit()
    code, _, err = await command(both.server, both.folder, "3", "-o", str(path), verb=("export",))
    assert (code, "run 3 has no manifest" in err) == (REFUSED, True)


async def test_bytes_that_retention_took_are_told_and_those_that_somebody_took_are_broken(
    server: Server, tmp_path: Path, object_store: Seaweed
) -> None:
    key = keys.ensure(tmp_path / "signing.key")
    server.ops.move_clock(-3 * 86_400)
    await server.template(retention={"artifact_days": 1})
    await server.submit()
    worker = await Worker.start(server)
    run, artifact = await run_with(worker, fresh(100))
    await server.template("kept")
    await server.submit("kept")
    other, taken = await run_with(worker, fresh(100))
    await make_manifests(server, key)
    server.ops.move_clock(0)
    assert server.ops.call("expire_artifacts", 10) == 1
    found = Proved(server, tmp_path, run, other, [artifact, taken], [])
    (gone,) = [finding for finding in await found.verified() if not finding.ok]
    assert (gone.ok, gone.text.startswith("its bytes are gone: its template's retention kept them")) == (None, True)
    code, out, _ = await offline(await export(found))
    assert (code, "its template's retention kept them" in out) == (OK, True)
    found.tamper("update ops.artifacts set state = 'expired', expired_at = now() where artifact_id = %s", taken)
    assert [text for _, _, text in await found.broken("2")] == ["its 100 bytes are gone from the store"]
