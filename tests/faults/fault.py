"""A way to break server or executor, by a name, and the small set of tests that is to notice.

A fault of SQL is a change of a function's source, as files hold it, put into the database of the tests; one of Python
is a part of a class replaced in the test process. A fault that no longer fits its source is an error: renew it then.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

ROOT = Path(__file__).parents[2]
FUNCTIONS = ROOT / "ops_schema" / "sql" / "functions"


@dataclass(frozen=True)
class Edit:
    """In the file of this function, `old` becomes `new`."""

    function: str
    old: str
    new: str


@dataclass(frozen=True)
class Swap:
    """In a class of this module, the part `name` becomes what `make` makes of it."""

    module: str
    owner: str
    name: str
    make: Callable[[Any], Any]

    def unfit(self) -> str | None:
        """What is not there any more."""
        try:
            owner = getattr(importlib.import_module(self.module), self.owner, None)
        except ImportError as error:
            return f"{self.module} cannot be imported: {error}"
        return None if hasattr(owner, self.name) else f"{self.module} has no {self.owner}.{self.name}"

    def apply(self) -> None:
        owner = getattr(importlib.import_module(self.module), self.owner)
        setattr(owner, self.name, self.make(getattr(owner, self.name)))


@dataclass(frozen=True)
class Fault:
    """breaks: what is wrong then, in words; edits and statements: of SQL; swaps: in the test process; hangs: that
    somebody waits in vain is what it looks like."""

    name: str
    breaks: str
    tests: tuple[str, ...]
    edits: tuple[Edit, ...] = ()
    statements: tuple[str, ...] = ()
    swaps: tuple[Swap, ...] = ()
    hangs: bool = False

    def unfit(self) -> list[str]:
        """Why it must be renewed; [] when it fits the source and its tests are there."""
        wrong = [f"there is no {test}" for test in self.tests if not (ROOT / test.partition("::")[0]).exists()]
        wrong += [missing for missing in map(self._missing, self.edits) if missing]
        wrong += [missing for missing in (swap.unfit() for swap in self.swaps) if missing]
        if not self.edits and not self.swaps:
            wrong.append("it breaks nothing")
        return [f"fault {self.name}: {one}" for one in wrong]

    @staticmethod
    def _missing(edit: Edit) -> str | None:
        found = [*FUNCTIONS.glob(f"*/{edit.function}.sql")]
        if not found:
            return f"there is no function {edit.function}"
        held = edit.old in found[0].read_text("utf-8") and edit.old != edit.new
        return None if held else f"{edit.function}.sql no longer holds {edit.old!r}"

    def apply_to(self, conninfo: str) -> None:
        """Break the functions of a database. Raises what PostgreSQL thinks of a broken text."""
        with psycopg.connect(conninfo, autocommit=True) as connection:
            for function in dict.fromkeys(edit.function for edit in self.edits):
                connection.execute(self.broken(function))  # type: ignore[call-overload]
            for statement in self.statements:
                connection.execute(statement)  # type: ignore[call-overload]

    def broken(self, function: str) -> str:
        """The source of a function with the fault in it. ValueError when the fault does not fit it any more."""
        text = next(FUNCTIONS.glob(f"*/{function}.sql")).read_text("utf-8")
        for edit in self.edits:
            if edit.function == function:
                if edit.old not in text:
                    raise ValueError(f"fault {self.name}: {function}.sql no longer holds {edit.old!r}; renew the fault")
                text = text.replace(edit.old, edit.new)
        return text
