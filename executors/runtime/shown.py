"""Values of a warehouse as a run's result shows them. Loads nothing large: forked children have it loaded."""

from __future__ import annotations

from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

SAFE_INTEGER = 2**53 - 1


def shown_value(value: Any) -> Any:
    """A value that every reader of JSON reads alike; what JSON has no word for becomes text."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return value if abs(value) <= SAFE_INTEGER else str(value)
    if isinstance(value, float):
        return value if value - value == 0 else str(value)  # no NaN, no infinity in JSON
    if isinstance(value, dict):
        return {str(name): shown_value(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [shown_value(each) for each in value]
    return value.hex() if isinstance(value, bytes) else text_of(value)


def text_of(value: Any) -> str:
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    return str(value)  # UUID, interval, …
