"""What a child told about itself so far: progress, usage, metrics, publications. Any program may write these messages.

Only what the contract and its store can hold is kept: one run's odd number must not spoil the request that carries the
state of all runs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from contract import models
from executors.runtime.editions import FIRST
from executors.runtime.text import Redactor, clean_text

Json = dict[str, Any]
USAGE_LIMIT = 64
METRICS_LIMIT = 50
NAME_CHARACTERS = 200
METRIC_CHARACTERS = 63
MESSAGE_CHARACTERS = 1024
UNIT_CHARACTERS = 64
# What reading a value of a stranger may raise.
MISFITS = (ValueError, TypeError, KeyError, AttributeError, ArithmeticError, RecursionError)


@dataclass
class Notes:
    """For heartbeats and the report. Not thread-safe: its attempt locks."""

    progress: Json | None = None
    usage: dict[str, float] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    publications: dict[str, Json] = field(default_factory=dict)

    def take(self, kind: str, fields: Json, redactor: Redactor) -> None:
        """Keep one message. One of MISFITS when it does not fit; what was kept before stays as it was."""
        if kind == "progress":
            self.progress = progress_of(fields, redactor)
        elif kind == "publication":
            found = models.Publication(**fields)
            self.publications[found.output] = found.model_dump(mode="json", by_alias=True)
        elif kind == "metric":
            self._metric(name_of(fields["name"], redactor, METRIC_CHARACTERS), finite(fields["value"]))
        elif kind == "usage":
            self._measure({name_of(name, redactor, NAME_CHARACTERS): finite(value) for name, value in fields.items()})
        else:
            raise ValueError("unknown type")

    def _metric(self, name: str, value: float) -> None:
        if not name:
            raise ValueError("a metric needs a name")
        if name not in self.metrics and len(self.metrics) >= METRICS_LIMIT:
            raise ValueError(f"a run has at most {METRICS_LIMIT} metrics; put the others into an artifact")
        self.metrics[name] = value

    def _measure(self, found: dict[str, float]) -> None:
        merged = self.usage | found
        self.usage = dict(list(merged.items())[:USAGE_LIMIT])
        if len(merged) > USAGE_LIMIT:
            raise ValueError(f"a run's usage has at most {USAGE_LIMIT} figures; put the others into an artifact")

    def told(self, measured: Mapping[str, float], contract_version: str) -> tuple[dict[str, float], dict[str, float]]:
        """(usage, metrics) as that version of the contract takes them: 1.0 has the latter among the former."""
        if contract_version == FIRST:
            return bounded_usage(measured, self.usage | self.metrics), {}
        return bounded_usage(measured, self.usage), dict(self.metrics)


def progress_of(fields: Mapping[str, Any], redactor: Redactor) -> Json:
    given = {name: value for name, value in fields.items() if name not in ("message", "unit") and value is not None}
    numbers = {name: finite(value) for name, value in given.items()}
    message = redactor.text(clean_text(str(fields.get("message") or "")))[:MESSAGE_CHARACTERS] or None
    unit = redactor.text(clean_text(str(fields.get("unit") or "")))[:UNIT_CHARACTERS] or None
    texts = {"message": message, "unit": unit}
    return models.Progress(**{**fields, **numbers, **texts}).model_dump()


def name_of(name: Any, redactor: Redactor, most: int) -> str:
    """As it may leave. ValueError when it is too long: cut, two of one beginning would be one."""
    found = redactor.text(clean_text(str(name)))
    if len(found) > most:
        raise ValueError(f"a name has at most {most} characters: {found[:most]}…")
    return found


def finite(value: Any) -> float:
    """A number that JSON can carry. ValueError or OverflowError otherwise."""
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{number} is no finite number")
    return number


def bounded_usage(measured: Mapping[str, float], told: Mapping[str, float]) -> dict[str, float]:
    """What the runtime measured, then what the child told, as far as the contract's limit goes."""
    own = {name: value for name, value in told.items() if name not in measured}
    return dict(list({**measured, **own}.items())[:USAGE_LIMIT])
