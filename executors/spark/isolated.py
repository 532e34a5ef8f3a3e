"""The process of one run of SQL on a driver of its own (mode isolated).

Such a driver is in its author's hands (``reflect``, ``TRANSFORM … USING``, what the session's settings do), so that its
run is confined as the author's code is, below a warden that ends all of it, and never in a process of other runs.
"""

from __future__ import annotations

from typing import Any

from executors.runtime.warm_child import WarmContext, run_alone
from executors.spark.config import DRILL, config_of
from executors.spark.drill import drill
from executors.spark.driver import driver
from executors.spark.run import Run
from executors.spark.settings import target_of


def body(context: WarmContext) -> dict[str, Any]:
    """Execute the template's statements; the result is described in :mod:`executors.spark.run`."""
    config = config_of(context.job)
    with driver(context, config, target_of(config, context.connections)) as own:
        context.on_stop(own.end)
        if context.entrypoint == DRILL:
            return drill(context, own.target)
        return Run(context, config, own.target, own.died).execute()


if __name__ == "__main__":
    run_alone(body)
