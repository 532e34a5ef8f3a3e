"""A SQL script as its statements: where each begins, what it binds, whether it writes and into which table. Pure.

Words are recognised outside quotes and comments only. What cannot be understood is left to the engine, which says so
with a position.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal["read", "write"]
Table = tuple[str, ...]

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
BLOCK_BEGINS = frozenset({"begin", "case"})
BLOCK_PARTS = frozenset({"if", "loop", "while", "repeat"})  # END IF closes no block that was counted
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
SKIPPED = frozenset({"if", "not", "exists"})


@dataclass(frozen=True)
class Planned:
    """What EXPLAIN is asked for. skip: how many of the statement's parameters stand before it."""

    sql: str
    skip: int = 0


@dataclass(frozen=True)
class Token:
    """A piece of the script. kind: a group of TOKEN; at: its offset in the script."""

    kind: str
    text: str
    at: int

    @property
    def word(self) -> str:
        return self.text.lower() if self.kind == "word" else ""


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
    return [statement(script, part) for part in _parts(list(tokens(script))) if any(t.kind != "space" for t in part)]


def tokens(script: str) -> Iterator[Token]:
    for found in TOKEN.finditer(script):
        yield Token(str(found.lastgroup), found.group(), found.start())


def _parts(given: list[Token]) -> Iterator[list[Token]]:
    """Tokens between semicolons; those inside the body of a SQL function divide nothing."""
    part: list[Token] = []
    depth = 0
    for token in given:
        if token.kind == "end" and depth == 0:
            yield part
            part = []
            continue
        part.append(token)
        if token.word and _defines_function(part):
            depth = max(0, depth + _step(part))
    yield part


def _defines_function(part: list[Token]) -> bool:
    return "function" in [token.word for token in part if token.word][:4]


def _step(part: list[Token]) -> int:
    """How the last word changes the depth of blocks."""
    words = [token.word for token in part if token.kind != "space"][-2:]
    before, word = (words[0] if len(words) == 2 else ""), words[-1]
    if before == "end":
        return 1 if word in BLOCK_PARTS else 0  # END was counted as the end of a block, and is none
    if word in BLOCK_BEGINS:
        return 1
    return -1 if word == "end" else 0


def statement(script: str, part: list[Token]) -> Statement:
    """One statement of its tokens, without the space around it."""
    solid = [index for index, token in enumerate(part) if token.kind != "space"]
    part = part[solid[0] : solid[-1] + 1]
    start = part[0].at
    line = script.count("\n", 0, start) + 1
    column = start - (script.rfind("\n", 0, start) + 1) + 1
    names = tuple(token.text[1:] for token in part if token.kind in ("named", "mark"))
    sql = "".join(marked(token) for token in part)
    words = tuple(token.word for token in part if token.word)
    return Statement(sql, names, line, column, words, target(part), planned(part, sql))


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


def target(part: list[Token]) -> Table | None:
    """The table that a statement names to write it, as written: one to three parts. None when it names none."""
    solid = [token for token in part if token.kind != "space"]
    for head in TARGETS:
        if tuple(token.word for token in solid[: len(head)]) == head:
            rest = solid[len(head) :]
            while rest and rest[0].word in SKIPPED:
                rest = rest[1:]
            return qualified_name(rest)
    return None


def qualified_name(given: list[Token]) -> Table | None:
    """``a."B".c`` at the start of these tokens."""
    parts: list[str] = []
    for index in range(0, len(given), 2):
        token = given[index]
        if token.kind not in ("word", "quoted"):
            break
        parts.append(token.word or token.text[1:-1].replace('""', '"').lower())
        if index + 1 >= len(given) or given[index + 1].text != ".":
            break
    return tuple(parts) or None
