"""submit: one run, perhaps after others, or one per line of a file."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from control_room.commands.context import AsJson, connect, print_json, say
from control_room.commands.runs import _answer, _ending, goes_on
from control_room.commands.words import printable
from control_room.errors import FAILED, MISUSE, OK, REFUSED, ControlRoomError

if TYPE_CHECKING:
    from control_room.client import OperatorClient

Json = dict[str, Any]
Words = list[str] | None
INPUT = "NAME=OUTPUT, or of several runs NAME=RUN:OUTPUT"


def submit(
    context: typer.Context,
    template: Annotated[str | None, typer.Argument(help="Name of a template; see `templates ls`.")] = None,
    param: Annotated[Words, typer.Option("-p", "--param", metavar="NAME=VALUE", help="May repeat.")] = None,
    params_file: Annotated[Path | None, typer.Option(help="YAML or JSON with parameters; -p goes before it.")] = None,
    template_version: Annotated[int | None, typer.Option(min=1)] = None,
    priority: Annotated[int | None, typer.Option(help="Higher goes first.")] = None,
    queue: Annotated[str | None, typer.Option()] = None,
    label: Annotated[Words, typer.Option("--label", metavar="NAME=VALUE", help="May repeat.")] = None,
    after: Annotated[
        Words, typer.Option(metavar="RUN", help="Wait for this run, a number or run_id. May repeat.")
    ] = None,
    condition: Annotated[
        str | None,
        typer.Option(
            help="What must hold of the runs waited for: all_success (if not said), all_done, at_least_one_success, "
            "none_failed, at_least_one_failed or all_failed."
        ),
    ] = None,
    inputs: Annotated[
        Words,
        typer.Option(
            "--input", metavar="NAME=OUTPUT", help="Read an output of the run waited for; of several, NAME=RUN:OUTPUT."
        ),
    ] = None,
    idempotency_key: Annotated[
        str | None, typer.Option(help="The same key and request again is the same run; with --bulk a prefix of keys.")
    ] = None,
    dedupe_key: Annotated[str | None, typer.Option(help="At most one run that has not ended holds it.")] = None,
    on_conflict: Annotated[
        str | None, typer.Option(help="When a run holds the dedupe key: error, return or replace.")
    ] = None,
    max_attempts: Annotated[int | None, typer.Option(min=1, max=100)] = None,
    retry_on: Annotated[Words, typer.Option(help="Failure class that is tried again. May repeat.")] = None,
    lease_seconds: Annotated[int | None, typer.Option(min=10, max=3600)] = None,
    fresh: Annotated[
        bool,
        typer.Option("--fresh", help="Do the work, also when its template reuses what was done for the same inputs."),
    ] = False,
    bulk: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Submit one run per line, each a JSON object as the API takes it; - is stdin."
        ),
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Wait for its end; exit code 1 if it fails.")] = False,
    as_json: AsJson = False,
) -> None:
    """Submit a run, or with --bulk many."""
    from control_room.commands import params as given

    options: Json = {
        "template_version": template_version,
        "priority": priority,
        "queue": queue,
        "labels": given.pairs(label or [], "--label") or None,
        "depends_on": parents(after or [], given.pairs(inputs or [], "--input", INPUT)) or None,
        "condition": condition,
        "dedupe_key": dedupe_key,
        "on_conflict": on_conflict,
        "max_attempts": max_attempts,
        "retry": {"on": retry_on} if retry_on else None,
        "lease_seconds": lease_seconds,
        "reuse": "never" if fresh else None,
    }
    if bulk is not None:
        _check_alone(template, param, params_file, follow, *options.values())
        _submit_bulk(context, bulk, idempotency_key, as_json)
        return
    if template is None:
        raise ControlRoomError("which template?", next_step="`control-room templates ls` lists them", exit_code=MISUSE)
    _submit_one(
        context, template, param or [], params_file, options | {"idempotency_key": idempotency_key}, follow, as_json
    )


def parents(after: Sequence[str], inputs: dict[str, str]) -> list[Json]:
    """`depends_on` of the request. Raises for an input that does not say which of several runs it is of."""
    found: dict[str, Json] = {run: {"run": run, "inputs": {}} for run in after}
    for name, source in inputs.items():
        run, separator, output = source.partition(":")
        if not (separator and run in found):
            run, output = (after[0] if len(found) == 1 else ""), source
        if run not in found:
            raise ControlRoomError(
                f"--input {name}={source} does not say which run it is of",
                next_step="name the run with --after RUN; of several, write --input NAME=RUN:OUTPUT",
                exit_code=MISUSE,
            )
        found[run]["inputs"][name] = output
    return list(found.values())


def check_inputs(template: str, spec: Json, depends_on: Sequence[Json]) -> None:
    """Raises for inputs that the template does not have, and for those that nobody gives: in the words of --input."""
    ports = [port["name"] for port in spec.get("inputs") or ()]
    given = [name for parent in depends_on for name in parent["inputs"]]
    unknown, missing = [n for n in given if n not in ports], [n for n in ports if n not in given]
    if unknown:
        raise ControlRoomError(
            f"template {template} has no input {unknown[0]!r}",
            next_step=f"its inputs: {', '.join(ports)}" if ports else "it reads none; leave --input out",
            exit_code=MISUSE,
        )
    if missing:
        raise ControlRoomError(
            f"template {template} reads {', '.join(missing)}, and no run gives that",
            next_step=f"name the run that made it, --after RUN --input {missing[0]}=OUTPUT, or submit a pipeline",
            exit_code=MISUSE,
        )


def _told(client: OperatorClient, run: Json, template: str, as_json: bool) -> None:
    """What a submit that is not followed says; one that ended at once, and badly, has failed."""
    from control_room.client import TERMINAL
    from control_room.commands.waits import held_up

    ended = run["state"] in TERMINAL and run["state"] != "succeeded"
    found = client.run(str(run["number"])) if ended else run
    _answer(found, as_json, _ending(found) if ended else f"run {run['number']} ({template}) is {run['state']}")
    if ended:
        raise typer.Exit(FAILED)
    if not as_json and run["state"] == "queued" and (text := held_up(client, run)):
        say(f"  {printable(text)}")


def _check_alone(*others: Any) -> None:
    if any(others):
        raise ControlRoomError(
            "--bulk takes everything from the lines of its file",
            next_step='write {"template": …, "params": {…}, "priority": …} in each line',
            exit_code=MISUSE,
        )


def _submit_bulk(context: typer.Context, file: Path, key: str | None, as_json: bool) -> None:
    from control_room.commands.bulk import submit_file

    with connect(context, patience=90.0) as client:
        tally = submit_file(client, file, key or f"cli-{uuid.uuid4()}", quiet=as_json)
    if as_json:
        print_json({"accepted": tally.accepted, "refused": tally.refused, "items": tally.items})
    else:
        say("; ".join(filter(None, (tally.text(), tally.numbers()))))
    raise typer.Exit(REFUSED if tally.refused else OK)


def _submit_one(
    context: typer.Context,
    template: str,
    words: Sequence[str],
    file: Path | None,
    options: Json,
    follow: bool,
    as_json: bool,
) -> None:
    from control_room.commands import params as given
    from control_room.commands.follow import follow_run

    with connect(context, patience=90.0 if follow else 0.0) as client:
        spec = client.template(template)["spec"]
        # With a key the run may be on record, whatever its template has become since: the server tells.
        if options["template_version"] is None and options["idempotency_key"] is None:
            check_inputs(template, spec, options["depends_on"] or [])
        run = client.submit(template, given.collect(words, file, spec.get("params_schema", {})), **options)
        if not follow:
            _told(client, run, template, as_json)
            return
        say(f"run {run['number']} ({template})", quiet=as_json)
        with goes_on(run):
            finished = follow_run(client, str(run["number"]), quiet=as_json)
    _answer(finished, as_json, _ending(finished))
    raise typer.Exit(OK if finished["state"] == "succeeded" else FAILED)
