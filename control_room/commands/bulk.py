"""submit --bulk: one submit per line of a file, sent in batches, every line with its own answer."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from control_room.commands.context import say
from control_room.commands.words import count_text, counted
from control_room.errors import MISUSE, UNAVAILABLE, ControlRoomError, interruptible

if TYPE_CHECKING:
    from control_room.client import OperatorClient

Json = dict[str, Any]
MOST_RUNS = 1000
MOST_NAMED = 10
MOST_BYTES = 3 * 1024 * 1024  # of one request; the server takes 4 MiB


@dataclass(frozen=True)
class Line:
    """A line of the file: its number from 1, and the submit it holds, or what is wrong with it."""

    number: int
    body: Json
    size: int = 0
    problem: Json | None = None


@dataclass
class Tally:
    """What became of the lines so far."""

    items: list[Json] = field(default_factory=list)
    refused: int = 0
    repeated: int = 0

    @property
    def accepted(self) -> int:
        return len(self.items) - self.refused

    def text(self) -> str:
        before = f", {count_text(self.repeated)} of them were on record" if self.repeated else ""
        refused = f", {count_text(self.refused)} refused" if self.refused else ""
        return f"{counted(self.accepted, 'run')} submitted{before}{refused}"

    def numbers(self) -> str:
        """The numbers of the runs: 'runs 31 to 33' when there is no gap, some when there are; '' of no run."""
        found = sorted({item["number"] for item in self.items if item.get("number")})
        if not found:
            return ""
        if len(found) > 1 and found[-1] - found[0] + 1 == len(found):
            return f"runs {found[0]} to {found[-1]}"
        rest = f", … {found[-1]}" if len(found) > MOST_NAMED else ""
        return f"run{'' if len(found) == 1 else 's'} {', '.join(map(str, found[:MOST_NAMED]))}{rest}"


def submit_file(client: OperatorClient, file: Path, prefix: str, *, quiet: bool) -> Tally:
    """Submit every line; what is wrong with one is told on stderr and stops no other.

    A line without an idempotency_key gets prefix/line number: the same file with the same prefix makes no run twice.
    """
    tally = Tally()
    again = f"run it again with --idempotency-key {prefix}: what was accepted is not submitted twice"
    with interruptible(f"interrupted after {file}", again):
        for batch in _batches(read_lines(file, prefix)):
            if tally.items and not quiet:
                say(f"{tally.text()} so far", quiet=True)
            try:
                _send(client, batch, file, tally)
            except ControlRoomError as error:
                error.what = f"line {batch[0].number} and those after it are not known to be submitted: {error.what}"
                error.next_step = again if error.exit_code == UNAVAILABLE else error.next_step
                raise
    return tally


def read_lines(file: Path, prefix: str) -> Iterator[Line]:
    """The lines of the file (`-` for standard input) that hold something."""
    try:
        with sys.stdin if str(file) == "-" else file.open(encoding="utf-8") as lines:
            for number, text in enumerate(lines, 1):
                if text.strip():
                    yield _line(number, text, prefix)
    except (OSError, UnicodeDecodeError) as error:
        raise ControlRoomError(f"the file cannot be read: {error}", where=str(file), exit_code=MISUSE) from error


def _line(number: int, text: str, prefix: str) -> Line:
    try:
        body = json.loads(text)
    except ValueError as error:
        return _wrong(number, f"is no JSON: {error}")
    if not isinstance(body, dict):
        return _wrong(number, 'is no object; write one submit per line, as {"template": …, "params": {…}}')
    body.setdefault("idempotency_key", f"{prefix}/{number}")
    return Line(number, body, len(text.encode()) + 300)  # and room for the key


def _wrong(number: int, what: str) -> Line:
    return Line(number, {}, problem={"code": "usage", "detail": what})


def _batches(lines: Iterable[Line]) -> Iterator[list[Line]]:
    batch: list[Line] = []
    size = 0
    for line in lines:
        if batch and (len(batch) == MOST_RUNS or size + line.size > MOST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(line)
        size += line.size
    if batch:
        yield batch


def _send(client: OperatorClient, batch: Sequence[Line], file: Path, tally: Tally) -> None:
    good = [line.body for line in batch if line.problem is None]
    answers = iter(client.submit_many(good)["items"] if good else [])
    for line in batch:
        item: Json = {"problem": line.problem} if line.problem else next(answers)
        tally.items.append({"line": line.number, **{k: v for k, v in item.items() if k != "ordinal"}})
        tally.repeated += bool(item.get("repeated"))
        if item["problem"]:
            tally.refused += 1
            say(f"{file}:{line.number}: {item['problem']['detail']} ({item['problem']['code']})", quiet=True)
