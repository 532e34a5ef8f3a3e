"""Where two JSON values differ."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from control_room.provenance.merkle import pointer

SHOWN = 120


def differences(one: Any, other: Any, at: str = "") -> Iterator[tuple[str, Any, Any]]:
    """(JSON Pointer, value in one, value in the other) of each place; a member that is not there is `None`."""
    if isinstance(one, dict) and isinstance(other, dict):
        for name in sorted(one.keys() | other.keys()):
            yield from differences(one.get(name), other.get(name), f"{at}/{pointer(name)}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, (left, right) in enumerate(zip(one, other, strict=True)):
            yield from differences(left, right, f"{at}/{number}")
    elif type(one) is bool or type(other) is bool:
        if one is not other:
            yield at, one, other
    elif one != other:
        yield at, one, other


def shown(value: Any) -> str:
    """A value as JSON, cut where it is long."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
