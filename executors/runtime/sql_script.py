"""What scripts of every SQL dialect have in common: tokens, statements between semicolons, where each begins, the table
that one writes. Pure.

A dialect is a pattern with the named groups ``space, text, quoted, named, word, mark, end, other``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

Table = tuple[str, ...]
BLOCK_BEGINS = frozenset({"begin", "case"})
BLOCK_PARTS = frozenset({"if", "loop", "while", "repeat", "for"})  # END IF closes no block that was counted
SKIPPED = frozenset({"if", "not", "exists"})


@dataclass(frozen=True)
class Token:
    """A piece of the script. kind: a group of the pattern; at: its offset in the script."""

    kind: str
    text: str
    at: int

    @property
    def word(self) -> str:
        return self.text.lower() if self.kind == "word" else ""


@dataclass(frozen=True)
class Part:
    """The tokens of one statement without the space around them, and where it begins in the script, from 1."""

    tokens: tuple[Token, ...]
    line: int
    column: int

    @property
    def words(self) -> tuple[str, ...]:
        return tuple(token.word for token in self.tokens if token.word)

    def place(self, line: int, column: int) -> tuple[int, int]:
        """A position inside the statement as one in the script."""
        return self.line + line - 1, column + (self.column - 1 if line == 1 else 0)


def parts(pattern: re.Pattern[str], script: str, has_blocks: Callable[[list[Token]], bool]) -> Iterator[Part]:
    """The statements of a script in order; empty ones are left out. ``has_blocks`` tells of what is read of a
    statement whether semicolons between its BEGIN and END divide nothing."""
    for given in _divided(
        [Token(str(f.lastgroup), f.group(), f.start()) for f in pattern.finditer(script)], has_blocks
    ):
        solid = [index for index, token in enumerate(given) if token.kind != "space"]
        if solid:
            inner = tuple(given[solid[0] : solid[-1] + 1])
            yield Part(inner, *line_and_column(script, inner[0].at))


def line_and_column(text: str, offset: int) -> tuple[int, int]:
    """Of an offset (from 0), both from 1."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def _divided(given: list[Token], has_blocks: Callable[[list[Token]], bool]) -> Iterator[list[Token]]:
    part: list[Token] = []
    depth = 0
    for token in given:
        if token.kind == "end" and depth == 0:
            yield part
            part = []
            continue
        part.append(token)
        if token.word and has_blocks(part):
            depth = max(0, depth + _step(part))
    yield part


def _step(part: list[Token]) -> int:
    """How the last word changes the depth of blocks."""
    words = [token.word for token in part if token.kind != "space"][-2:]
    before, word = (words[0] if len(words) == 2 else ""), words[-1]
    if before == "end":
        return 1 if word in BLOCK_PARTS else 0  # END was counted as the end of a block, and is none
    if word in BLOCK_BEGINS:
        return 1
    return -1 if word == "end" else 0


def named_table(part: Sequence[Token], heads: Sequence[tuple[str, ...]], name: Callable[[Token], str]) -> Table | None:
    """The table that a statement names after one of these words, as its parts; None when it names none."""
    solid = [token for token in part if token.kind != "space"]
    for head in heads:
        if tuple(token.word for token in solid[: len(head)]) == head:
            rest = solid[len(head) :]
            while rest and rest[0].word in SKIPPED:
                rest = rest[1:]
            return _qualified(rest, name)
    return None


def _qualified(given: Sequence[Token], name: Callable[[Token], str]) -> Table | None:
    found: list[str] = []
    for index in range(0, len(given), 2):
        if given[index].kind not in ("word", "quoted"):
            break
        found.append(name(given[index]))
        if index + 1 >= len(given) or given[index + 1].text != ".":
            break
    return tuple(found) or None
