"""The body of the warm process for tests, in a process of one run's own."""

from __future__ import annotations

from typing import Any

from executors.runtime.warm_child import WarmContext, run_alone
from tests.unit import warm_worker


def body(context: WarmContext) -> dict[str, Any]:
    context.log("begun")
    return warm_worker.body(context)


if __name__ == "__main__":
    run_alone(body)
