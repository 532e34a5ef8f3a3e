"""Values of a run's params as SQL expressions in the place of ``:name`` and ``?``. Pure.

Spark's own parameters are not used: with parsers of extensions (Delta, Iceberg) around its own, Spark 4.1 finds them
unbound. A text goes in as such only where it needs no escape, else by its bytes: whatever the session says of escapes,
no value ends its literal.

Without a declared type a value is what its JSON says: null, boolean, bigint (or decimal beyond 64 bits), double,
string, array, map. A declared type is one of Spark's, written as in SQL: ``date``, ``timestamp``, ``decimal(12,2)``,
``array<bigint>``.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from executors.runtime.failures import TaskError
from executors.runtime.sql_config import expression
from executors.runtime.sql_script import Token

ARRAY = re.compile(r"array\s*<(.+)>", re.IGNORECASE | re.DOTALL)
DECIMAL = re.compile(r"decimal(?:\s*\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\))?", re.IGNORECASE)
WHOLE = {"tinyint": 8, "byte": 8, "smallint": 16, "short": 16, "int": 32, "integer": 32, "bigint": 64, "long": 64}
VERSION = re.compile(r"\bversion\s+as\s+of\s+\Z", re.IGNORECASE)
PLAIN_TEXT = re.compile(r"[^'\\\x00-\x1f]*")
LONGEST_DECIMAL = 38


@dataclass(frozen=True)
class Bound:
    """A statement as it is sent. values: of each value in it the offset and length, and the length of its mark."""

    sql: str
    values: tuple[tuple[int, int, int], ...] = ()

    def written_at(self, offset: int) -> int:
        """Where in the statement as written something is that Spark found in the one sent; both from 0."""
        longer = 0
        for at, length, mark in self.values:
            if offset < at:
                break
            if offset < at + length:
                return at - longer
            longer += length - mark
        return offset - longer


def bind(tokens: Sequence[Token], params: Mapping[str, Any], types: Mapping[str, str], order: Sequence[str]) -> Bound:
    """A statement's tokens with the values in their places. ``order`` names the params of bare ``?``.

    TaskError (user, parameter_missing or parameter_invalid) says which one is wrong.
    """
    marks = sum(token.kind == "mark" for token in tokens)
    if marks != len(order) and marks:
        text = f"the statement has {marks} '?', but config.parameters names {len(order)} params; name one for each"
        raise TaskError("user", "parameter_missing", text)
    bare = iter(order)
    sql, values = "", []
    for token in tokens:
        if token.kind in ("named", "mark"):
            name = token.text[1:] if token.kind == "named" else next(bare)
            takes = (lambda given, _: version(given), version) if VERSION.search(sql) else (typed, literal)
            value = expression(name, params, types, *takes)
            values.append((len(sql), len(value), len(token.text)))
            sql += value
        else:
            sql += token.text
    return Bound(sql, tuple(values))


def literal(value: Any) -> str:
    """A JSON value as an expression of the type that it has by itself."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return number(value)
    if isinstance(value, float):
        return f"CAST({value!r} AS DOUBLE)" if math.isfinite(value) else refuse("give a number")
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, Mapping):
        return f"map({listed(part for pair in value.items() for part in map(literal, pair))})"
    return f"array({listed(map(literal, value))})"


def version(value: Any) -> str:
    """A table's version or snapshot, or a branch's or tag's name: Spark's grammar has no expression in its place."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return str(value)
    if isinstance(value, str) and PLAIN_TEXT.fullmatch(value):
        return f"'{value}'"
    return refuse("give a version: a whole number, or a name without quotes and backslashes")


def number(value: int) -> str:
    if -(2**63) <= value < 2**63:
        return f"CAST({value} AS BIGINT)"
    if len(str(abs(value))) > LONGEST_DECIMAL:
        raise ValueError(f"a whole number has at most {LONGEST_DECIMAL} digits")
    return f"{value}BD"


def quoted(value: str) -> str:
    if PLAIN_TEXT.fullmatch(value):
        return f"'{value}'"
    return f"decode(unhex('{value.encode().hex()}'), 'UTF-8')"


def listed(expressions: Any) -> str:
    return ", ".join(expressions)


def refuse(what: str) -> str:
    raise ValueError(what)


def typed(value: Any, declared: str) -> str:
    """A value as an expression of a declared type; ValueError when it cannot be one."""
    if found := ARRAY.fullmatch(declared.strip()):
        return f"CAST({array(value, found[1])} AS {checked(declared)})"
    return f"CAST({scalar(value, declared.strip().lower())} AS {declared.strip()})"


def array(value: Any, of: str) -> str:
    if value is None:
        return "NULL"
    if not isinstance(value, list):
        raise ValueError("give a JSON list")
    return f"array({listed(typed(each, of) for each in value)})"


def checked(declared: str) -> str:
    """A type that is made of known ones."""
    found = ARRAY.fullmatch(declared.strip())
    if found:
        return f"array<{checked(found[1])}>"
    known_type(declared.strip().lower())
    return declared.strip()


def known_type(name: str) -> str:
    if name not in SCALARS and name not in WHOLE and not DECIMAL.fullmatch(name):
        known = ", ".join([*SCALARS, *WHOLE, "decimal(p,s)", "array<…>"])
        raise ValueError(f"{name!r} is no type that can be bound (known: {known})")
    return name


def scalar(value: Any, name: str) -> str:
    """The value as a literal that can be cast to a type of this name."""
    known_type(name)
    if value is None:
        return "NULL"
    if DECIMAL.fullmatch(name):
        return quoted(decimal(value))
    if name in WHOLE:
        return str(whole(value, WHOLE[name]))
    return SCALARS[name](value)


def decimal(value: Any) -> str:
    found = Decimal(str(value))
    if isinstance(value, bool) or not found.is_finite():
        raise ValueError("give a number")
    return format(found, "f")


def whole(value: Any, bits: int) -> int:
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise ValueError("give a whole number")
    if not -(2 ** (bits - 1)) <= (found := int(value)) < 2 ** (bits - 1):
        raise ValueError(f"it does not fit into {bits} bits")
    return found


def truth(value: Any) -> str:
    return literal(value) if isinstance(value, bool) else refuse("give true or false")


def double(value: Any) -> str:
    return refuse("give a number") if isinstance(value, bool) else literal(float(value))


def text(value: Any) -> str:
    return quoted(value if isinstance(value, str) else json.dumps(value))


def binary(value: Any) -> str:
    return f"unhex('{base64.b64decode(str(value), validate=True).hex()}')"


SCALARS: Mapping[str, Callable[[Any], str]] = {
    "string": text,
    "boolean": truth,
    "double": double,
    "float": double,
    "date": lambda value: quoted(date.fromisoformat(str(value)).isoformat()),
    # Without a zone it is a time of the session's, which is UTC.
    "timestamp": lambda value: quoted(datetime.fromisoformat(str(value)).isoformat()),
    "binary": binary,
}
