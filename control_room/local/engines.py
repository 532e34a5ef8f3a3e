"""Engines that the stack runs itself (`up --with trino`): which, how large, and which executors come with them."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from pathlib import Path

from control_room.engines import findings
from control_room.engines.catalogue import chosen
from control_room.errors import MISUSE, ControlRoomError
from control_room.local.state import StackState

DEFAULT_HEAPS = {"trino": "1G", "spark": "1G"}
LEAST_HEAP = 768 * 2**20
UNITS = {"M": 2**20, "G": 2**30}
HEAP = re.compile(r"([1-9]\d{0,5})([MG])", re.IGNORECASE)
EXECUTOR_SLOTS = {"trino": 2, "spark": 2}
# What must be importable for an executor to work; control_room itself never imports an engine.
KINDS = {
    "python": "deltalake",
    "dbt": "dbt",
    "notebook": "nbclient",
    "duckdb": "duckdb",
    "trino": "trino",
    "spark": "pyspark",
    "command": "executors",
}


def parse(text: str | None) -> dict[str, str] | None:
    """'trino=2G' -> {trino: 2G}; 'none' -> {}; None, for what is remembered, when nothing was said."""
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if parts == ["none"]:
        return {}
    wanted = (part.partition("=") for part in parts)
    return {engine: heap.upper() or DEFAULT_HEAPS.get(engine, "") for engine, _, heap in wanted}


def check(wanted: Mapping[str, str]) -> dict[str, str]:
    """The engines asked for. Raises ControlRoomError, with the way to get it, for one that cannot be started."""
    for engine, heap in wanted.items():
        if engine not in DEFAULT_HEAPS:
            raise ControlRoomError(
                f"--with: the stack has no {engine!r}", next_step=f"it has: {', '.join(DEFAULT_HEAPS)}; or say none",
                exit_code=MISUSE,
            )  # fmt: skip
        heap_bytes(heap)
        _ensure_ready(engine)
    return dict(wanted)


def heap_bytes(heap: str) -> int:
    """'2G' -> 2147483648. Raises ControlRoomError for what is no size, or too small for an engine."""
    match = HEAP.fullmatch(heap)
    size = int(match[1]) * UNITS[match[2].upper()] if match else 0
    if size < LEAST_HEAP:
        raise ControlRoomError(
            f"--with: {heap!r} is no heap size of at least {LEAST_HEAP // 2**20}M",
            next_step="write for instance --with trino=2G",
            exit_code=MISUSE,
        )
    return size


def _ensure_ready(engine: str) -> None:
    [distribution] = chosen([engine])
    verdict = findings.judge(distribution, findings.look(distribution))
    if not verdict.ready:
        raise ControlRoomError(
            f"{engine} cannot be started here: {verdict.found}",
            next_step=f"{verdict.fix}; or leave it out: `control-room up --with none`",
            exit_code=MISUSE,
        )


def executors_of(state: StackState) -> dict[str, int]:
    """Kind -> slots of every executor of the stack: those chosen, and one for each engine that has a kind here."""
    added = {kind: slots for kind, slots in EXECUTOR_SLOTS.items() if kind in state.engines and has_executor(kind)}
    return {**added, **state.executors}


def has_executor(kind: str) -> bool:
    """Whether this installation has the kind's executor, and what that needs."""
    package = importlib.util.find_spec("executors")
    places = package.submodule_search_locations if package is not None else None
    there = any((Path(place) / kind / "executor.py").is_file() for place in places or ())
    return there and importlib.util.find_spec(KINDS[kind]) is not None
