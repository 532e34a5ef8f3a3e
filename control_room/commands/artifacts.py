"""artifacts: ls, show, get, verify, hold, release, gc."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from control_room.commands.context import AsJson, connect, print_json, print_table, say
from control_room.commands.runs_steering import answer
from control_room.commands.words import coloured, counted, size_text, time_text
from control_room.errors import FAILED, MISUSE, OK, REFUSED, ControlRoomError

if TYPE_CHECKING:
    from control_room.client import OperatorClient

app = typer.Typer(no_args_is_help=True, help="What runs left behind.")
Run = Annotated[str, typer.Argument(metavar="RUN", help="Number or run_id; a pipeline stands for all its tasks.")]
Json = dict[str, Any]
NAMES_SHOWN = 12


@app.command()
def ls(context: typer.Context, run: Run, as_json: AsJson = False) -> None:
    """The artifacts of a run, or of all tasks of a pipeline."""
    with connect(context) as client:
        items = artifacts_of(client, run)
    if as_json:
        print_json({"items": items})
        return
    columns = {"artifact": "left", "run": "right", "name": "left", "kind": "left", "size": "right", "sha256": "left"}
    rows = [
        [a["artifact_id"], a["number"], a["name"], a["kind"], size_text(a["size"]), (a["sha256"] or "–")[:12]]
        for a in items
    ]
    print_table(columns, rows, spare=("sha256", "artifact"))


@app.command()
def show(
    context: typer.Context,
    artifact: Annotated[str, typer.Argument(help="artifact_id, or RUN/NAME.")],
    as_json: AsJson = False,
) -> None:
    """What is in an artifact: the first rows of a table, the size of an image, the first lines of a text."""
    from control_room.commands.artifact_preview import print_preview

    with connect(context) as client:
        found = client.preview(artifact if _is_id(artifact) else _named(client, artifact)["artifact_id"])
    if as_json:
        print_json(found)
    else:
        print_preview(found)


@app.command()
def get(
    context: typer.Context,
    artifact: Annotated[str, typer.Argument(help="artifact_id, or RUN/NAME.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File or folder; the name by default.")] = None,
    as_json: AsJson = False,
) -> None:
    """Download one artifact; the bytes are checked against the recorded sha256."""
    with connect(context) as client:
        found = _find(client, artifact)
        target = _target(output, found["name"])
        sha256 = client.download(found["artifact_id"], target, found["sha256"])
    if as_json:
        print_json({"artifact_id": found["artifact_id"], "path": str(target), "sha256": sha256})
    else:
        say(f"{target}  sha256 {sha256}")


@app.command()
def hold(
    context: typer.Context,
    run: Run,
    reason: Annotated[str, typer.Option(help="Why nothing of it may be removed.")],
    as_json: AsJson = False,
) -> None:
    """Legal hold: no retention removes what a run left until it is released."""
    with connect(context) as client:
        found = client.hold(run, reason)
    held = found["legal_hold"]
    since = time_text(held["placed_at"])
    answer(found, as_json, f"what run {found['number']} left is held since {since}: {held['reason']}")


@app.command()
def release(context: typer.Context, run: Run, as_json: AsJson = False) -> None:
    """Release a legal hold; what is over its retention is removed then."""
    with connect(context) as client:
        found = client.release(run)
    still = " by its pipeline still" if found["legal_hold"] else " no more"
    answer(found, as_json, f"what run {found['number']} left is held{still}")


@app.command()
def gc(context: typer.Context, as_json: AsJson = False) -> None:
    """What the control room removes by itself, and when: bytes of lost attempts, and those over their retention.

    Changes nothing.
    """
    with connect(context) as client:
        found = client.collection()
    if as_json:
        print_json(found)
        return
    lost, due, soon = found["lost"], found["collectable"], found["expiring"]
    say(f"to be removed now: {counted(due['objects'], 'object')}, {size_text(due['bytes'])}")
    say(
        f"lost less than {found['safety_hours']} h ago, left alone: {counted(lost['artifacts'], 'artifact')}, "
        f"{size_text(lost['bytes'])}"
    )
    parts = found["uploads"]
    given_up = parts["collectable"] + parts["unknown"]
    kept = parts["open"] - parts["collectable"]
    say(f"uploads in parts: {kept} under way or left alone, {given_up} to be given up")
    say(f"over their retention within 7 days: {counted(soon['artifacts'], 'artifact')}, {size_text(soon['bytes'])}")
    say(f"under a legal hold: {counted(found['held'], 'run')}")
    if found["items"]:
        rows = [
            [i["run_number"], i["name"], i["state"], size_text(i["size"]), time_text(i["since"]), i["object_key"]]
            for i in found["items"]
        ]
        columns = {"run": "right", "name": "left", "state": "left", "size": "right", "since": "left", "object": "left"}
        print_table(columns, rows, spare=("object",))


@app.command()
def verify(
    context: typer.Context,
    what: Annotated[str, typer.Argument(metavar="RUN|ARTIFACT", help="Number, run_id or artifact_id.")],
    as_json: AsJson = False,
) -> None:
    """Read the bytes back from the store and recompute each sha256. Exit code 1 when one differs."""
    with connect(context) as client:
        items = [_verified(client, artifact) for artifact in _with_bytes(client, what)]
    good = all(item["ok"] for item in items)
    if as_json:
        print_json({"ok": good, "items": items})
    else:
        _print_verified(items, good)
    raise typer.Exit(OK if good else FAILED)


def artifacts_of(client: OperatorClient, ref: str) -> list[Json]:
    """Artifacts of the run and of its tasks; each with the number of its run."""
    run = client.run(ref)
    members = [run, *run["children"]]  # what one of them reused is shown as its own
    numbers = {member["reused_from"] or member["run_id"]: member["number"] for member in members}
    items = [{**a, "number": numbers[a["run_id"]]} for a in client.artifacts(ref)]
    return sorted(items, key=lambda a: (a["number"], a["name"]))


def _named(client: OperatorClient, artifact: str) -> Json:
    """The artifact of RUN/NAME, a table too."""
    ref, slash, name = artifact.partition("/")
    if not slash:
        raise _no_artifact(client, artifact)
    return _of_run(artifacts_of(client, ref), ref, name)


def _find(client: OperatorClient, artifact: str) -> Json:
    if "/" in artifact:
        found = _named(client, artifact)
        if found["sha256"] is None:
            text = f"{found['name']!r} is a table; there are no bytes to download"
            raise ControlRoomError(text, exit_code=REFUSED)
        return found
    if not _is_id(artifact):
        raise _no_artifact(client, artifact)
    checked = client.verify(artifact)
    return {"artifact_id": artifact, "name": checked.get("name", artifact), "sha256": checked["sha256_expected"]}


def _of_run(items: list[Json], ref: str, name: str) -> Json:
    """The artifact of this name; of several tasks of a pipeline that have it, the last one's."""
    found = [item for item in items if item["name"] == name]
    if not found:
        raise ControlRoomError(
            f"run {ref} has no artifact {name!r}{_names(items, name)}",
            next_step=f"list them with `control-room artifacts ls {ref}`",
            exit_code=REFUSED,
            code="artifact_not_found",
            members={"names": [item["name"] for item in items]},
        )
    return found[-1]


def _names(items: list[Json], name: str) -> str:
    from control_room.api.names import near

    names = sorted({item["name"] for item in items})
    close = near(name, names)
    if not names:
        return "; it has none"
    if close:
        return "; did you mean " + " or ".join(repr(other) for other in close) + "?"
    return "; it has: " + ", ".join(names[:NAMES_SHOWN]) + (", …" if len(names) > NAMES_SHOWN else "")


def _no_artifact(client: OperatorClient, word: str) -> ControlRoomError:
    """What to say of a word that is no artifact_id: of a run's number, what that run has."""
    steps = "write RUN/NAME, as `control-room artifacts ls RUN` lists them, or an artifact_id"
    text = f"{word!r} is neither RUN/NAME nor an artifact_id"
    if word.isdecimal():
        names = [item["name"] for item in artifacts_of(client, word)]
        text = f"{word} names a run, not an artifact"
        steps = f"`control-room artifacts get {word}/{names[0]}`" if names else f"run {word} has no artifacts"
        if len(names) > 1:
            steps += f"; `control-room artifacts ls {word}` lists all {len(names)}"
    return ControlRoomError(text, next_step=steps, exit_code=MISUSE)


def _is_id(word: str) -> bool:
    try:
        return str(UUID(word)) == word.lower()
    except ValueError:
        return False


def _target(output: Path | None, name: str) -> Path:
    """Only the last part of an artifact's name is used: it comes from a run."""
    plain = Path(name).name or "artifact"
    target = Path(plain) if output is None else output / plain if output.is_dir() else output
    if not target.absolute().parent.is_dir():
        raise ControlRoomError("there is no such folder", where=str(target.parent), exit_code=MISUSE)
    return target.absolute()


def _with_bytes(client: OperatorClient, what: str) -> list[Json]:
    try:
        return [artifact for artifact in artifacts_of(client, what) if artifact["sha256"]]
    except ControlRoomError as error:
        if error.exit_code != REFUSED or "-" not in what:
            raise
    return [{"artifact_id": what, "number": None, "name": what}]


def _verified(client: OperatorClient, artifact: Json) -> Json:
    checked = client.verify(artifact["artifact_id"])
    return {"artifact_id": artifact["artifact_id"], "number": artifact["number"], "name": artifact["name"], **checked}


def _print_verified(items: list[Json], good: bool) -> None:
    rows = [
        [
            item["number"],
            item["name"],
            size_text(item["size"]),
            coloured("ok" if item["ok"] else "failed", "ok" if item["ok"] else "DIFFERS"),
            item["sha256_actual"][:12],
        ]
        for item in items
    ]
    print_table({"run": "right", "name": "left", "size": "right", "verdict": "left", "sha256": "left"}, rows)
    say(f"{len(items)} artifacts, " + ("every sha256 is the recorded one" if good else "NOT all as recorded"))
