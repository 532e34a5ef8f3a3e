"""The process that executes spark runs of SQL on the warm server, one after the other: see
:mod:`executors.runtime.warm`. It starts no driver: that is a run's own, in a process of its own
(:mod:`executors.spark.isolated`)."""

from __future__ import annotations

from typing import Any

from executors.runtime.warm_child import WarmContext, serve
from executors.spark.config import DRILL, config_of
from executors.spark.drill import drill
from executors.spark.run import Run
from executors.spark.settings import target_of


def body(context: WarmContext) -> dict[str, Any]:
    """Execute the template's statements; the result is described in :mod:`executors.spark.run`."""
    config = config_of(context.job)
    target = target_of(config, context.connections)
    if context.entrypoint == DRILL:
        return drill(context, target)
    return Run(context, config, target).execute()


if __name__ == "__main__":
    serve(body)
