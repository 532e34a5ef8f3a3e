"""The process that executes trino runs, one after the other: see :mod:`executors.runtime.warm`."""

from __future__ import annotations

from typing import Any

from executors.runtime.warm_child import WarmContext, serve
from executors.trino.config import DRILL, parse_config
from executors.trino.drill import drill
from executors.trino.run import Run
from executors.trino.settings import target_of


def body(context: WarmContext) -> dict[str, Any]:
    """Execute the template's statements; the result is described in :mod:`executors.trino.run`."""
    if context.entrypoint == DRILL:
        return drill(context)
    config = parse_config(context.job)
    return Run(context, config, target_of(config.connection, context.connections)).execute()


if __name__ == "__main__":
    serve(body)
