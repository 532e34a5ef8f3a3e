"""A SQL script as its statements: where each begins, what it binds, whether it writes and into which table. Pure.

Words are recognised outside quotes and comments only. What cannot be understood is left to the engine, which says so
with a position.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from executors.runtime.sql_script import Part, Table, Token, named_table, parts

Kind = Literal["read", "write"]

TOKEN = re.compile(
    r"""(?P<space>\s+|--[^\n]*|/\*.*?(?:\*/|\Z))
      | (?P<text>'(?:[^']|'')*(?:'|\Z))
      | (?P<quoted>"(?:[^"]|"")*(?:"|\Z))
      | (?P<named>(?<![:\w]):[A-Za-z_]\w*)
      | (?P<word>[A-Za-z_]\w*)
      | (?P<mark>\?)
      | (?P<end>;)
      | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
READS = frozenset({"select", "with", "values", "table", "show", "describe", "desc", "explain", "use", "set", "reset"})
PLANNED = frozenset({"select", "with", "values", "table", "insert", "merge", "update", "delete"})
WITH_DATA = re.compile(r"\bwith\s+(no\s+)?data\s*\Z", re.IGNORECASE)
TRANSACTIONS = frozenset({"start", "commit", "rollback"})
# What stands between a statement's first words and the name of the table it writes.
TARGETS = (
    ("insert", "into"),
    ("merge", "into"),
    ("delete", "from"),
    ("update",),
    ("truncate", "table"),
    ("create", "table"),
    ("create", "or", "replace", "table"),
    ("alter", "table"),
)


@dataclass(frozen=True)
class Planned:
    """What EXPLAIN is asked for. skip: how many of the statement's parameters stand before it."""

    sql: str
    skip: int = 0


@dataclass(frozen=True)
class Statement:
    """One statement. ``sql`` has ``?`` for each bound value (named ones are padded, so that columns stay), ``names``
    the parameter of each in order (``""`` for a bare ``?``); ``line`` and ``column`` are where it begins, from 1."""

    sql: str
    names: tuple[str, ...]
    line: int
    column: int
    words: tuple[str, ...]
    target: Table | None = None
    planned: Planned | None = None

    @property
    def kind(self) -> Kind:
        return "read" if reads(self.words) else "write"

    @property
    def is_transaction(self) -> bool:
        return self.words[:1] != () and self.words[0] in TRANSACTIONS

    def place(self, line: int, column: int) -> tuple[int, int]:
        """A position inside the statement as one in the script."""
        return self.line + line - 1, column + (self.column - 1 if line == 1 else 0)


def reads(words: tuple[str, ...]) -> bool:
    """Whether a statement of these words changes nothing. EXPLAIN ANALYZE executes what it explains."""
    if words[:2] == ("explain", "analyze"):
        return reads(tuple(word for word in words[2:] if word != "verbose"))
    return bool(words) and words[0] in READS


def split(script: str) -> list[Statement]:
    """The statements of a script, in order; empty ones are left out."""
    return [statement(part) for part in parts(TOKEN, script, defines_function)]


def defines_function(part: list[Token]) -> bool:
    """Semicolons inside the body of a SQL function divide nothing."""
    return "function" in [token.word for token in part if token.word][:4]


def statement(part: Part) -> Statement:
    """One statement of its tokens."""
    tokens = list(part.tokens)
    names = tuple(token.text[1:] for token in tokens if token.kind in ("named", "mark"))
    sql = "".join(marked(token) for token in tokens)
    target = named_table(tokens, TARGETS, name_of)
    return Statement(sql, names, part.line, part.column, part.words, target, planned(tokens, sql))


def placed(sql: str, using: Sequence[str]) -> tuple[str, list[str]]:
    """The statement and the expressions that Trino binds to its ``?``. It binds none of CALL, and none after AS OF (a
    table's version): there they are put in their places, literals as they are."""
    rest, bound, sent, words = iter(using), [], "", ["", ""]
    for found in TOKEN.finditer(sql) if using else ():
        if found.lastgroup == "word":
            words.append(found.group().lower())
        if found.lastgroup != "mark":
            sent += found.group()
        elif words[2:3] == ["call"] or words[-2:] == ["as", "of"]:
            sent += next(rest)
        else:
            sent += found.group()
            bound.append(next(rest))
    return sent or sql, bound


def planned(part: list[Token], sql: str) -> Planned | None:
    """What EXPLAIN is asked of a statement: queries and DML as they are, of CREATE TABLE AS the query alone: planning
    the whole makes the table in some connectors. None for what has no plan."""
    words = [token.word for token in part if token.word]
    if words[:1] and words[0] in PLANNED:
        return Planned(sql)
    if words[:1] != ["create"] or "table" not in words[:4]:
        return None
    depth = 0
    for index, token in enumerate(part):
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if token.word == "as" and depth == 0:
            before = sum(each.kind in ("named", "mark") for each in part[:index])
            return Planned(WITH_DATA.sub("", "".join(marked(each) for each in part[index + 1 :])), before)
    return None


def marked(token: Token) -> str:
    return "?".ljust(len(token.text)) if token.kind == "named" else token.text


def name_of(token: Token) -> str:
    """A part of a table's name; Trino folds it, also in quotes."""
    return token.word or token.text[1:-1].replace('""', '"').lower()
