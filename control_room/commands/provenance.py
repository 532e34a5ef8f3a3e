"""verify, export: whether a run's records and bytes are what they were, here or on a machine without any of ours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from control_room.commands.context import AsJson, Settings, connect, print_json, print_table, say, settings_of
from control_room.commands.words import coloured, size_text, time_text
from control_room.errors import FAILED, MISUSE, OK, ControlRoomError

if TYPE_CHECKING:
    from control_room.provenance.findings import Finding
    from control_room.provenance.lake import Connections

Json = dict[str, Any]
STEPS = ("manifest", "signature", "events", "artifacts", "publications")
VERDICTS = {True: ("ok", "ok"), None: ("warn", "unknown"), False: ("failed", "BROKEN")}
Keys = Annotated[
    list[str] | None,
    typer.Option("--key", metavar="KEY_ID", help="Trust signatures of this key alone; may repeat.", show_default=False),
]
ConnectionsFile = Annotated[
    Path | None,
    typer.Option(
        "--connections",
        envvar="OPS_CONNECTIONS_FILE",
        help="Connections file, to read what was published; the embedded stack's own by default.",
        show_default=False,
    ),
]


def verify(
    context: typer.Context,
    run: Annotated[
        str | None,
        typer.Argument(metavar="[RUN]", help="Number or run_id; a pipeline with all its tasks.", show_default=False),
    ] = None,
    offline: Annotated[
        Path | None,
        typer.Option("--offline", metavar="FILE", help="Verify an archive that `export` wrote.", show_default=False),
    ] = None,
    connections: ConnectionsFile = None,
    key: Keys = None,
    as_json: AsJson = False,
) -> None:
    """Recompute all that is on record of a run: its manifest, who signed it, the chain of its events, the bytes of its
    artifacts and of what it published. Exit code 1 when something does not hold."""
    if offline is not None:
        _end(*_offline(offline, run, key or ()), as_json)
    if run is None:
        raise ControlRoomError("name a RUN, or an archive with --offline FILE", exit_code=MISUSE)
    from control_room.provenance.online import Online
    from control_room.provenance.verify import verify as verified

    known = _connections(settings_of(context), connections)
    with connect(context) as client:
        findings = _read(f"run {run}", lambda: list(verified(Online(client, known), run, key or ())))
    _end(run, findings, as_json)


def export(
    context: typer.Context,
    run: Annotated[str, typer.Argument(metavar="RUN", help="Number or run_id; a pipeline with all its tasks.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The tar file to write.")],
    as_json: AsJson = False,
) -> None:
    """Write one archive that proves a run without this control room: manifest, signature, public keys, events, and the
    bytes of its artifacts. `verify --offline` reads it."""
    from control_room.provenance.archive import write
    from control_room.provenance.online import Online

    with connect(context) as client:
        told = write(Online(client, None), run, output.absolute())
    if as_json:
        print_json(told | {"path": str(output.absolute())})
    else:
        say(f"{output}: {told['runs']} runs, {told['objects']} objects, {size_text(told['bytes'])}")


def signing_keys(context: typer.Context, as_json: AsJson = False) -> None:
    """The public keys of those that sign manifests, the newest first. Note a KEY_ID elsewhere, for `verify --key`."""
    with connect(context) as client:
        items = client.signing_keys()
    if as_json:
        print_json({"items": items})
        return
    rows = [[key["key_id"], time_text(key["valid_from"]), time_text(key["retired_at"])] for key in items]
    print_table({"key": "left", "valid from": "left", "retired": "left"}, rows)


def _offline(file: Path, run: str | None, trusted: Sequence[str]) -> tuple[str, list[Finding]]:
    """(what was verified, findings) of an archive."""
    from control_room.provenance.findings import Told
    from control_room.provenance.offline import Offline
    from control_room.provenance.verify import name_of
    from control_room.provenance.verify import verify as verified

    with Offline(file) as archive:
        ref = run or archive.run_id
        findings = _read(file, lambda: list(verified(archive, ref, trusted)))
        signs = [finding for finding in findings if finding.step == "signature" and finding.ok]
        if signs and not trusted:
            text = "the public key came with the archive; --key KEY_ID, as the deployment tells it, says whose it is"
            findings.append(Told(name_of(archive.record(ref)), "signature").unknown("key", text))
    return str(file), findings


def _read(what: object, work: Callable[[], list[Finding]]) -> list[Finding]:
    """What was found; a record that is shaped as none of ours does not hold, whatever else does."""
    try:
        return work()
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        text = f"a record in it is not shaped as one: {type(error).__name__}: {error}"
        raise ControlRoomError(text, where=str(what), code="record_broken") from error


def _end(what: str, findings: Sequence[Finding], as_json: bool) -> NoReturn:
    from control_room.provenance.findings import holds

    good = holds(findings)
    if as_json:
        print_json({"ok": good, "findings": [finding.as_json() for finding in findings]})
    else:
        _print(what, findings)
    raise typer.Exit(OK if good else FAILED)


def _connections(settings: Settings, file: Path | None) -> Connections | None:
    """Of the file given, else of the embedded stack; None without either."""
    from control_room.local.objectstore import CONNECTIONS
    from control_room.reactor.connections import ConnectionsError, read_connections

    own = settings.folder.secret(CONNECTIONS)
    path = file or (own if settings.url is None and own.exists() else None)
    try:
        return read_connections(path) if path else None
    except ConnectionsError as error:
        raise ControlRoomError(str(error), next_step="pass another --connections", exit_code=MISUSE) from None


def _print(what: str, findings: Sequence[Finding]) -> None:
    """One line for each step of which all holds; of the others each finding that does not."""
    for run in dict.fromkeys(finding.run for finding in findings):
        say(f"run {run}")
        for step in STEPS:
            _print_step(step, [found for found in findings if (found.run, found.step) == (run, step)])
    bad = sum(finding.ok is False for finding in findings)
    unknown = sum(finding.ok is None for finding in findings)
    say(f"{what}: {_verdict(len(findings), bad, unknown)}")


def _print_step(step: str, findings: Sequence[Finding]) -> None:
    from rich.text import Text

    good = [finding for finding in findings if finding.ok]
    if good:
        _line(True, step, Text(good[0].text if len(good) == 1 else f"{len(good)} checks hold"))
    for finding in findings:
        if not finding.ok:
            _line(finding.ok, step, Text(f"{finding.where}: {finding.text}" if finding.where else finding.text))


def _line(ok: bool | None, step: str, text: Any) -> None:
    from control_room.commands.context import console

    state, word = VERDICTS[ok]
    console().print(coloured(state, f"  {word:<8}") + f"{step:<13}" + text, soft_wrap=True)


def _verdict(checks: int, bad: int, unknown: int) -> str:
    left = f"; {unknown} could not be checked" if unknown else ""
    if bad:
        return f"{bad} of {checks} checks do NOT hold{left}"
    return f"all {checks - unknown} checks hold{left}"
