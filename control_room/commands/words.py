"""How things are written for people: durations, sizes, times, states."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.text import Text

ISO_TIME = re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)")
STATE_VERBS = {"succeeded": "has", "failed": "has", "cancelled": "was", "skipped": "was"}
COLOURS = {
    "succeeded": "green",
    "ready": "green",
    "ok": "green",
    "active": "green",
    "running": "cyan",
    "starting": "cyan",
    "queued": "blue",
    "waiting": "yellow",
    "paused": "yellow",
    "draining": "yellow",
    "warn": "yellow",
    "degraded": "yellow",
    "unhealthy": "yellow",
    "backoff": "yellow",
    "failed": "red",
    "fail": "red",
    "cancelled": "magenta",
    "skipped": "bright_black",
    "left": "bright_black",
}


def coloured(state: str, text: str | None = None) -> Text:
    from rich.text import Text

    return Text(text or state, style=COLOURS.get(state, ""))


def seconds_text(seconds: float | None) -> str:
    """90 -> '1m 30s'; fractions only below ten seconds."""
    if seconds is None:
        return "–"
    if seconds < 10:
        return f"{seconds:.1f}s"
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60}s"
    return f"{whole // 3600}h {whole % 3600 // 60}m"


def size_text(size: float | None) -> str:
    if size is None:
        return "–"
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def amount_text(amount: float, unit: str) -> str:
    """An amount of a cap's or a budget's unit, for people."""
    if unit.endswith("_bytes"):
        return size_text(amount)
    return f"{amount:,.10g}" + (" s" if unit.endswith("_seconds") else "")


def count_text(number: int | None) -> str:
    return "–" if number is None else f"{number:,}"


def moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def time_text(text: str | None) -> str:
    """Local time, to the second."""
    found = moment(text)
    return found.astimezone().strftime("%Y-%m-%d %H:%M:%S") if found else "–"


def local_times(text: str) -> str:
    """A sentence of the server with its points of time as all others are shown: local, to the second."""
    return ISO_TIME.sub(lambda found: time_text(found[0]), text)


def standing(state: str) -> str:
    """'succeeded' -> 'has succeeded', 'queued' -> 'is queued'."""
    return f"{STATE_VERBS.get(state, 'is')} {state}"


def counted(number: int, noun: str) -> str:
    """1, 'run' -> '1 run'; 1200, 'run' -> '1,200 runs'."""
    return f"{count_text(number)} {noun}{'' if number == 1 else 's'}"


def value_text(value: Any) -> str:
    """A parameter as `-p NAME=VALUE` takes it: text as it is, all else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def duration_of(run: Mapping[str, Any]) -> float | None:
    """Seconds from start to end, or to now while it runs; None before it started."""
    begun = moment(run.get("started_at"))
    if begun is None:
        return None
    ended = moment(run.get("finished_at")) or datetime.now(UTC)
    return max((ended - begun).total_seconds(), 0.0)


def printable(text: str) -> str:
    """Text that a run wrote, without what would steer the terminal."""
    return "".join(c for c in text if c in "\n\t" or (c >= " " and c != "\x7f" and not "\x80" <= c <= "\x9f"))


def stop_text(timings: Mapping[str, Any] | None, requested_at: str | None) -> str | None:
    """How soon an attempt stopped: after the request, or after it passed a cap."""
    if timings is None:
        return None
    cancelled = timings["cause"] == "cancel"
    begun = moment(requested_at if cancelled else timings["delivered_at"])
    steps = {"told": "delivered_at"} if cancelled else {}
    steps |= {"engine stopped": "engine_stopped_at", "released": "released_at"}
    ends = {word: moment(timings[name]) for word, name in steps.items()}
    told = [
        f"{word} after {max(0.0, (end - begun).total_seconds()):.2f}s" for word, end in ends.items() if begun and end
    ]
    return f"{'cancelled' if cancelled else 'cap passed'}: {', '.join(told)}" if told else None
