"""A script of Spark SQL as its statements: where each begins, what it binds, whether it writes, into which table. Pure.

Words are recognised outside quotes and comments only. What cannot be understood is left to Spark, which says so with a
position.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from executors.runtime.sql_script import Part, Table, Token, named_table, parts

Kind = Literal["read", "write"]
TOKEN = re.compile(
    r"""(?P<space>\s+|--[^\n]*|/\*.*?(?:\*/|\Z))
      | (?P<text>[rR]'[^']*(?:'|\Z)|[rR]"[^"]*(?:"|\Z)|'(?:[^'\\]|\\.)*(?:'|\Z)|"(?:[^"\\]|\\.)*(?:"|\Z))
      | (?P<quoted>`(?:[^`]|``)*(?:`|\Z))
      | (?P<named>(?<![:\w]):[A-Za-z_]\w*)
      | (?P<word>[A-Za-z_]\w*)
      | (?P<mark>\?)
      | (?P<end>;)
      | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
QUERIES = frozenset({"select", "with", "values", "table", "from"})
READS = frozenset({*QUERIES, "show", "describe", "desc", "explain", "list"})
# What changes the session alone, which ends with the run.
SETS = frozenset({"use", "set", "reset", "cache", "uncache", "clear", "refresh", "declare"})
TEMPORARY = frozenset({"temporary", "temp"})
PLANNED = frozenset({"insert", "merge", "update", "delete"})
# What stands between a statement's first words and the name of the table that it writes.
TARGETS = (
    ("insert", "into", "table"),
    ("insert", "into"),
    ("insert", "overwrite", "table"),
    ("insert", "overwrite"),
    ("merge", "into"),
    ("delete", "from"),
    ("update",),
    ("truncate", "table"),
    ("create", "table"),
    ("create", "or", "replace", "table"),
    ("replace", "table"),
    ("alter", "table"),
)


@dataclass(frozen=True)
class Statement:
    """One statement, and the table that it names to write it."""

    sql: str
    part: Part
    target: Table | None = None

    @property
    def words(self) -> tuple[str, ...]:
        return self.part.words

    @property
    def kind(self) -> Kind:
        return "read" if reads(self.words) else "write"

    @property
    def returns(self) -> bool:
        """Whether its rows are what it is for."""
        asks = self.words[:1] == ("set",) and all(token.text != "=" for token in self.part.tokens)
        return self.kind == "read" and (asks or self.words[0] in READS)

    @property
    def lazy(self) -> bool:
        """Whether it is a query: its rows can be asked for at once, without a question for what it is."""
        return self.kind == "read" and bool(QUERIES.intersection(self.words[:1]))

    @property
    def planned(self) -> bool:
        """Whether Spark has a plan for it before it is executed: of a query it is asked afterwards."""
        words = self.words
        return self.kind == "write" and (words[0] in PLANNED or (words[0] == "create" and "as" in words))

    @property
    def type(self) -> str:
        return " ".join(self.words[:1]).upper()


def reads(words: tuple[str, ...]) -> bool:
    """Whether a statement of these words changes nothing that outlives its session."""
    if not words:
        return True
    if words[0] == "create":
        return bool(TEMPORARY & set(words[1:4]))
    if words[0] in ("with", "from") and "insert" in words:
        return False
    return words[0] in READS or words[0] in SETS


def split(script: str) -> list[Statement]:
    """The statements of a script, in order; empty ones are left out."""
    return [statement(part) for part in parts(TOKEN, script, is_block)]


def is_block(part: list[Token]) -> bool:
    """A compound statement (SQL scripting) is one statement."""
    return next((token.word for token in part if token.kind != "space"), "") == "begin"


def statement(part: Part) -> Statement:
    sql = "".join(token.text for token in part.tokens)
    return Statement(sql, part, named_table(part.tokens, TARGETS, lambda token: token.text))
