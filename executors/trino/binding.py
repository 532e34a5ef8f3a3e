"""Values of a run's params as SQL expressions that Trino binds to ``?``. Pure.

Without a declared type a value is what its JSON says: null, boolean, bigint (or decimal beyond 64 bits), double,
varchar, array, map. A declared type is any of Trino's, written as in SQL: ``date``, ``timestamp(3)``,
``decimal(12,2)``, ``array(bigint)``.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

from executors.runtime.failures import TaskError
from executors.runtime.sql_config import expression

TYPE = re.compile(r"[A-Za-z][A-Za-z0-9_ ]*(\(.*\))?( with time zone)?", re.IGNORECASE)
TYPE_CHARACTERS = re.compile(r'[A-Za-z0-9_ (),"]+')
OFFSET = re.compile(r"(?<=\d)([+-]\d\d:\d\d)$")
BIGINT = range(-(2**63), 2**63)
LONGEST_DECIMAL = 38
TEXTS = frozenset({"varchar", "char"})
STRUCTURED = frozenset({"array", "map", "row", "json"})
WHOLE = frozenset({"tinyint", "smallint", "integer", "int", "bigint"})


def bind(names: Sequence[str], params: Mapping[str, Any], types: Mapping[str, str], order: Sequence[str]) -> list[str]:
    """The expressions for a statement's parameters. ``order`` names the param of each bare ``?``.

    TaskError (user, parameter_missing or parameter_invalid) says which one is wrong.
    """
    bare = iter(order)
    found = []
    for name in names:
        name = name or next(bare, "")
        if not name:
            marks = sum(1 for each in names if not each)
            text = f"the statement has {marks} '?', but config.parameters names {len(order)} params"
            raise TaskError("user", "parameter_missing", f"{text}; name one for each, in order")
        found.append(expression(name, params, types, typed, literal))
    if left := len(list(bare)):
        text = f"config.parameters names {left} params more than the statement has '?'"
        raise TaskError("user", "parameter_missing", text)
    return found


def literal(value: Any) -> str:
    """A JSON value as a literal of the type that it has by itself."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return whole(value)
    if isinstance(value, float):
        return double(value)
    if isinstance(value, str):
        return text(value)
    if isinstance(value, Mapping):
        return f"MAP({array(list(value))}, {array(list(value.values()))})"
    return array(value)


def whole(value: int) -> str:
    if value in BIGINT:
        return f"BIGINT '{value}'"
    if len(str(abs(value))) > LONGEST_DECIMAL:
        raise ValueError(f"a whole number has at most {LONGEST_DECIMAL} digits")
    return f"DECIMAL '{value}'"


def double(value: float) -> str:
    if math.isnan(value):
        return "nan()"
    if math.isinf(value):
        return "infinity()" if value > 0 else "-infinity()"
    return f"DOUBLE '{value!r}'"


def text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def array(values: Sequence[Any]) -> str:
    return listed([literal(value) for value in values])


def typed(value: Any, declared: str) -> str:
    """A JSON value as an expression of a declared type; a value that cannot be one is refused here where that can be
    told, and by the engine otherwise."""
    kind = checked_type(declared)
    if value is None:
        return f"CAST(NULL AS {declared})"
    if kind in STRUCTURED:
        return structured(value, kind, declared)
    return f"CAST({scalar(value, kind)} AS {declared})"


def checked_type(declared: str) -> str:
    """The name of a type without its arguments, in lower case. ValueError when it is not of the form of a type."""
    if not (TYPE.fullmatch(declared) and TYPE_CHARACTERS.fullmatch(declared)):
        raise ValueError(f"{declared!r} is not written like a type of Trino")
    return declared.partition("(")[0].strip().lower()


def structured(value: Any, kind: str, declared: str) -> str:
    """A list or object as an expression; what it holds has declared types too, which JSON could not be cast to."""
    if kind == "json":
        return f"JSON {text(json.dumps(value, allow_nan=False))}"
    parts = arguments(declared)
    if kind == "map":
        keys = [typed(key, parts[0]) for key in members(value, dict, "object")]
        return f"CAST(MAP({listed(keys)}, {listed([typed(each, parts[1]) for each in value.values()])}) AS {declared})"
    if kind == "array":
        return f"CAST({listed([typed(each, parts[0]) for each in members(value, list, 'list')])} AS {declared})"
    fields = [part.split(None, 1) for part in parts]
    given = [value.get(name.strip('"')) for name, _ in fields] if isinstance(value, Mapping) else value
    found = [typed(each, of) for each, (_, of) in zip(members(given, list, "list"), fields, strict=True)]
    return f"CAST(ROW({', '.join(found)}) AS {declared})"


def members(value: Any, wanted: type, name: str) -> Any:
    if not isinstance(value, wanted):
        raise ValueError(f"give a JSON {name}")
    return value


def listed(expressions: Sequence[str]) -> str:
    return f"ARRAY[{', '.join(expressions)}]"


def arguments(declared: str) -> list[str]:
    """``map(varchar, decimal(4,2))`` -> its two types. ValueError when it has none."""
    inner = declared[declared.find("(") + 1 : declared.rfind(")")] if "(" in declared else ""
    found, depth, begin = [], 0, 0
    for at, character in enumerate(inner):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and depth == 0:
            found.append(inner[begin:at].strip())
            begin = at + 1
    found.append(inner[begin:].strip())
    if len(found) < (2 if declared.lower().startswith("map") else 1) or not all(found):
        raise ValueError(f"{declared!r} does not say of what it consists")
    return found


def scalar(value: Any, kind: str) -> str:
    """The value as a literal that can be cast to a type of this name."""
    if isinstance(value, list | Mapping):
        raise TypeError("it is a list or an object")
    if kind == "varbinary":
        return f"from_base64({text(str(value))})"
    if kind in TEXTS:
        return text(value if isinstance(value, str) else json.dumps(value))
    if kind == "boolean" and not isinstance(value, bool):
        raise ValueError("give true or false")
    if kind == "decimal":
        return f"DECIMAL {text(plain_decimal(value))}"
    if kind in WHOLE:
        return whole(as_whole(value))
    if kind in ("double", "real"):
        return double(float(value))
    if isinstance(value, str):
        check_text(value, kind)
        value = sql_moment(value) if kind.startswith("timestamp") else value
    return literal(value)


def plain_decimal(value: Any) -> str:
    number = Decimal(str(value))
    if isinstance(value, bool) or not number.is_finite():
        raise ValueError("give a number")
    return format(number, "f")


def as_whole(value: Any) -> int:
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise ValueError("give a whole number")
    return int(value)


def sql_moment(value: str) -> str:
    """``2013-01-02T03:04:05Z``, as JSON has it, in SQL's words: ``2013-01-02 03:04:05 UTC``."""
    found = value.strip().replace("T", " ", 1) if value.strip()[10:11] == "T" else value.strip()
    return OFFSET.sub(r" \1", found[:-1] + " UTC" if found.endswith("Z") else found)


def check_text(value: str, kind: str) -> None:
    """Refuse a text that cannot be a date, a time or a UUID; Trino's own forms (a zone by name) pass to the engine."""
    if kind == "date":
        date.fromisoformat(value.strip())
    elif kind == "uuid":
        UUID(value)
    elif kind.startswith("timestamp"):
        datetime.fromisoformat(value.strip().split(" ")[0][:10])
    elif kind.startswith("time"):
        time.fromisoformat(value.strip()[:5])
