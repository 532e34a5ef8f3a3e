"""The process that executes spark runs of SQL, one after the other: see :mod:`executors.runtime.warm`."""

from __future__ import annotations

from typing import Any

from executors.runtime.warm_child import WarmContext, serve
from executors.spark.config import DRILL, ISOLATED, SparkConfig, parse_config
from executors.spark.drill import drill
from executors.spark.driver import driver
from executors.spark.run import Run
from executors.spark.settings import target_of


def body(context: WarmContext) -> dict[str, Any]:
    """Execute the template's statements; the result is described in :mod:`executors.spark.run`."""
    config = SparkConfig() if context.entrypoint == DRILL else parse_config(context.job)
    target = target_of(config, context.connections)
    if context.entrypoint == DRILL and target.mode != ISOLATED:
        return drill(context, target)
    if target.mode != ISOLATED:
        return Run(context, config, target).execute()
    with driver(context, config, target) as own:
        context.on_stop(own.end)
        if context.entrypoint == DRILL:
            return drill(context, own.target)
        return Run(context, config, own.target, own.died).execute()


if __name__ == "__main__":
    serve(body)
