"""`control-room-executor` on a machine whose wall clock is wrong: SKEW_SECONDS is how far ahead it is.

    SKEW_SECONDS=600 python -m tests.chaos.skewed python

CLOCK_REALTIME has no namespace and there is no libfaketime here, so the shift is made in the process: time.time and the
`datetime` of each module of ours that asks it for the time. Its children keep the machine's clock.
"""

from __future__ import annotations

import os
import sys
import time
from datetime import datetime as real
from datetime import timedelta, tzinfo

SKEW = timedelta(seconds=float(os.environ["SKEW_SECONDS"]))


class SkewedTime(real):
    """A datetime whose `now` is wrong."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> SkewedTime:
        return cls.fromtimestamp(real.now(tz).timestamp() + SKEW.total_seconds(), tz)


def shift() -> list[str]:
    """Turn the clocks; answers whose."""
    told = time.time
    time.time = lambda: told() + SKEW.total_seconds()
    found = [name for name, module in sys.modules.items() if getattr(module, "datetime", None) is real]
    turned = [name for name in found if name.startswith(("executors.", "contract."))]
    for name in turned:
        sys.modules[name].datetime = SkewedTime  # type: ignore[attr-defined]
    return turned


if __name__ == "__main__":
    from executors.runtime.main import main

    main_modules = shift()
    assert {"executors.runtime.attempt", "executors.runtime.logs"} <= set(main_modules), main_modules
    main()
