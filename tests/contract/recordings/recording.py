"""A recording: requests and responses with names in place of what the server issued, and what is due at a replay.

Each line is an operator's step, {"do": ...}, or an exchange, {"request": ..., "response": ...}. `«run_id 2»` stands for
the second run_id that the server issued, wherever it comes again; `«time»`, `«number»` and `«versions»` for any.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from contract.versions import OLDEST

Json = dict[str, Any]
FOLDER = Path(__file__).parent
ISSUED = frozenset({"executor_id", "run_id", "artifact_id", "url"})
TIMES = re.compile(r".+_at|server_time|lease_deadline")
NUMBERS = frozenset({"number"})
VERSIONS = frozenset({"supported"})  # what a server speaks grows
WORDS = frozenset({"detail", "hint"})  # of problems: for people, and free to become better
TUNED = frozenset({"heartbeat_seconds"})  # a server's wish of the moment, any number of seconds
NAME = re.compile(r"«[a-z_]+ \d+»")


def read(version: str) -> list[Json]:
    """The lines of the recording of a contract version."""
    text = (FOLDER / f"{version}.jsonl").read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]


def members(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """(name, value) of each member that is no object or list, at any depth."""
    if isinstance(value, dict):
        for key, member in value.items():
            yield from members(member, key)
    elif isinstance(value, list):
        for member in value:
            yield from members(member, name)
    else:
        yield name, value


# Writing -------------------------------------------------------------------------------------------------------------


class Names:
    """Gives a name to each value that the server issues."""

    def __init__(self) -> None:
        self.given: dict[str, str] = {}

    def learn(self, answer: Any) -> None:
        """Name what an answer issues for the first time."""
        for name, value in members(answer):
            if name in ISSUED and isinstance(value, str) and value not in self.given:
                count = sum(other.startswith(f"«{name} ") for other in self.given.values())
                self.given[value] = f"«{name} {count + 1}»"

    def put(self, value: Any, name: str = "") -> Any:
        """The value with names in place of what was issued, times and numbers."""
        if isinstance(value, dict):
            return {key: self.put(member, key) for key, member in value.items()}
        if name in VERSIONS:
            return "«versions»"
        if isinstance(value, list):
            return [self.put(member, name) for member in value]
        if value is not None and name in NUMBERS:
            return "«number»"
        if isinstance(value, str):
            return "«time»" if TIMES.fullmatch(name) else self._text(value)
        return value

    def _text(self, text: str) -> str:
        for value in sorted(self.given, key=len, reverse=True):
            text = text.replace(value, self.given[value])
        return text


def named(lines: Iterable[Json]) -> Iterator[Json]:
    """The lines as they are kept. What a client sends was issued before, so one pass is enough."""
    names = Names()
    for line in lines:
        if "request" not in line:
            yield names.put(line)
            continue
        names.learn(line["response"]["body"])
        yield {"request": names.put(line["request"], "-"), "response": names.put(line["response"])}


# Replaying -----------------------------------------------------------------------------------------------------------


class Values:
    """What the live server issued under each name."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}

    def fill(self, value: Any) -> Any:
        """The value with what was issued in place of the names. KeyError when a name was not issued yet."""
        if isinstance(value, dict):
            return {key: self.fill(member) for key, member in value.items()}
        if isinstance(value, list):
            return [self.fill(member) for member in value]
        return NAME.sub(lambda found: self.known[found.group()], value) if isinstance(value, str) else value

    def differences(self, due: Any, found: Any, place: str = "") -> Iterator[str]:
        """How a live answer differs from the recorded one; members added since are none. Learns what is issued."""
        if isinstance(due, dict) and isinstance(found, dict):
            yield from (f"{place}/{name} is missing" for name in due.keys() - found.keys())
            for name in due.keys() & found.keys():
                if name in WORDS and isinstance(found[name], str):
                    continue
                if name in TUNED and isinstance(found[name], int | float) and found[name] > 0:
                    continue
                yield from self.differences(due[name], found[name], f"{place}/{name}")
        elif isinstance(due, list) and isinstance(found, list) and len(due) == len(found):
            for index, (one, other) in enumerate(zip(due, found, strict=True)):
                yield from self.differences(one, other, f"{place}/{index}")
        elif not self._fits(due, found):
            yield f"{place}: {due!r} was recorded, {found!r} came"

    def _fits(self, due: Any, found: Any) -> bool:
        if due == "«number»":
            return type(found) is int
        if due == "«versions»":
            return isinstance(found, list) and set(found) >= {OLDEST}
        if due == "«time»":
            return isinstance(found, str) and datetime.fromisoformat(found).tzinfo is not None
        if isinstance(due, str) and NAME.fullmatch(due) and due not in self.known and isinstance(found, str):
            self.known[due] = found
        return type(due) is type(found) and bool(self.fill(due) == found)
