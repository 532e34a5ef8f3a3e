"""What the measures of caps share."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.bench.executors.bench import Bench, Json


@dataclass
class LimitsBench(Bench):
    """``caps``: each run that went beyond one: {case, run, entry of the ledger|null}."""

    caps: list[Json] = field(default_factory=list)
