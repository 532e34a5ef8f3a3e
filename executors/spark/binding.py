"""Values of a run's params as Python values that Spark makes literals of. Pure.

Without a declared type a value is what its JSON says: null, boolean, int or bigint, double, string, array, map. A
declared type is one of Spark's, written as in SQL: ``date``, ``timestamp``, ``decimal(12,2)``, ``array<bigint>``.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from executors.runtime.failures import TaskError

Args = dict[str, Any] | list[Any]
ARRAY = re.compile(r"array\s*<(.+)>", re.IGNORECASE | re.DOTALL)
DECIMAL = re.compile(r"decimal(?:\s*\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\))?", re.IGNORECASE)
WHOLE = {"tinyint": 8, "byte": 8, "smallint": 16, "short": 16, "int": 32, "integer": 32, "bigint": 64, "long": 64}


def bind(names: Sequence[str], params: Mapping[str, Any], types: Mapping[str, str], order: Sequence[str]) -> Args:
    """What goes with a statement: by name, or in order for bare ``?``, of which ``order`` names the params.

    TaskError (user, parameter_missing or parameter_invalid) says which one is wrong.
    """
    if "" in names:
        if len(names) != len(order) or any(names):
            text = f"the statement has {names.count('')} '?' and {sum(map(bool, names))} ':name'"
            text += (
                f", but config.parameters names {len(order)} params; name one for each '?', and mix them with no ':'"
            )
            raise TaskError("user", "parameter_missing", text)
        return [bound(name, params, types) for name in order]
    return {name: bound(name, params, types) for name in names}


def bound(name: str, params: Mapping[str, Any], types: Mapping[str, str]) -> Any:
    if name not in params:
        have = ", ".join(sorted(params)) or "none"
        raise TaskError("user", "parameter_missing", f"the run has no param {name!r} (it has: {have})")
    value, declared = params[name], types.get(name)
    try:
        return typed(value, declared) if declared else plain(value)
    except (ValueError, TypeError, InvalidOperation) as error:
        shown = json.dumps(value, default=str)[:100]
        text = f"param {name!r} is {shown}, which is no {declared or 'value that SQL can bind'}: {error}"
        raise TaskError("user", "parameter_invalid", text) from None


def plain(value: Any) -> Any:
    """A value of the type that it has by itself; beyond 64 bits a whole number is a decimal."""
    if isinstance(value, int) and not isinstance(value, bool) and not -(2**63) <= value < 2**63:
        return Decimal(value)
    if isinstance(value, list):
        return [plain(each) for each in value]
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in value.items()}
    return value


def typed(value: Any, declared: str) -> Any:
    """A value of a declared type; ValueError when it cannot be one."""
    if value is None:
        return None
    if found := ARRAY.fullmatch(declared.strip()):
        if not isinstance(value, list):
            raise ValueError("give a JSON list")
        return [typed(each, found[1]) for each in value]
    name = declared.strip().lower()
    if found := DECIMAL.fullmatch(name):
        return decimal(value, int(found[2] or 0) if found[1] else None)
    if name in WHOLE:
        return whole(value, WHOLE[name])
    if name not in SCALARS:
        known = ", ".join([*SCALARS, *WHOLE, "decimal(p,s)", "array<…>"])
        raise ValueError(f"{declared!r} is no type that can be bound (known: {known})")
    return SCALARS[name](value)


def decimal(value: Any, scale: int | None) -> Decimal:
    number = Decimal(str(value))
    if isinstance(value, bool) or not number.is_finite():
        raise ValueError("give a number")
    return number if scale is None else number.quantize(Decimal(1).scaleb(-scale))


def whole(value: Any, bits: int) -> int:
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise ValueError("give a whole number")
    if not -(2 ** (bits - 1)) <= (number := int(value)) < 2 ** (bits - 1):
        raise ValueError(f"it does not fit into {bits} bits")
    return number


def text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("give true or false")
    return value


def double(value: Any) -> float:
    if isinstance(value, bool) or not math.isfinite(number := float(value)):
        raise ValueError("give a number")
    return number


def moment(value: Any) -> datetime:
    """A time without a zone is one of the session's, which is UTC."""
    return datetime.fromisoformat(str(value))


SCALARS: Mapping[str, Callable[[Any], Any]] = {
    "string": text,
    "boolean": truth,
    "double": double,
    "float": double,
    "date": lambda value: date.fromisoformat(str(value)),
    "timestamp": moment,
    "binary": lambda value: base64.b64decode(str(value), validate=True),
}
