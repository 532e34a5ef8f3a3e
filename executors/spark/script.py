"""The process of one run of Python code: the entrypoint from the bundle, with ``spark``, a session of the run's own.

The code is called as by the python executor: a function may ask for ``spark`` as it does for params, a script has it
among its globals, and ``SparkSession.getActiveSession()`` gives it, too.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from pyspark.sql.connect.session import SparkSession

from executors.python.child import execute
from executors.runtime.child import Context, TaskError, run_child
from executors.spark.config import ISOLATED, SparkConfig, parse_config
from executors.spark.driver import driver
from executors.spark.failure import classified, shown, told_by
from executors.spark.inputs import missed, show
from executors.spark.run import PROGRESS_SECONDS, conf_of, tag_of, unopened
from executors.spark.session import FAILURES, connect, quiet
from executors.spark.settings import Target, target_of
from executors.spark.watch import progress_of

Died = Callable[[], TaskError | None]


def alive() -> None:
    """A server that is not the run's own has no end to tell of."""


def body(context: Context) -> Any:
    """Call the entrypoint with a session."""
    config = parse_config(context.job)
    target = target_of(config, context.connections)
    context.log(f"mode {target.mode}: {target.why}")
    died: Died = alive
    with ExitStack() as stack:
        if target.mode == ISOLATED:
            own = stack.enter_context(driver(context, config, target))
            target, died = own.target, own.died
        spark = stack.enter_context(session(context, config, target))
        unread = show(spark.sql, context.job.get("inputs") or [])
        for error in unread.values():
            context.log(f"{error.message}; the run goes on without it")
        context._control.send("unsure", value=True)  # from here on nobody knows what it wrote
        try:
            return execute(context, {"spark": spark})
        except FAILURES as error:
            raise missed(told_by(error), unread) or failure(error, target, died) from error


@contextmanager
def session(context: Context, config: SparkConfig, target: Target) -> Iterator[Any]:
    """The session; what it left at work is interrupted at the end, however that comes."""
    quiet()
    try:
        found = connect(target, conf_of(config), config.schema)
    except FAILURES as error:
        raise unopened(error, target) from None
    tag, told = tag_of(context), 0.0

    def hear(*, stages: Iterable[Any] | None, inflight_tasks: int, **_: Any) -> None:
        nonlocal told
        if (now := time.monotonic()) - told >= PROGRESS_SECONDS:
            told = now
            context.progress(**progress_of(stages or (), inflight_tasks, "", 0))

    found.addTag(tag)
    found.registerProgressHandler(hear)
    SparkSession._set_default_and_active_session(found)
    # What pyspark's own builder does: without it `pyspark.sql.functions` look for a driver in this process, and a
    # builder in the code for one to start.
    os.environ |= {"SPARK_CONNECT_MODE_ENABLED": "1", "SPARK_REMOTE": target.remote}
    try:
        yield found
    finally:
        with suppress(*FAILURES):
            found.client.interrupt_all()
            found.stop()


def failure(error: Exception, target: Target, died: Died) -> Exception:
    """What the code let through of Spark's errors; where in the code, its traceback says."""
    told = told_by(error)
    if told.gone and (found := died()) is not None:
        return found
    if told.gone:
        text = f"Spark at {target.remote} is gone, or was started anew: {told.text[:300]}"
        return TaskError("external", "outcome_unknown", f"{text}; look at what the run wrote")
    class_, code = classified(told)
    return TaskError(class_, code, shown(told), trace=told.trace or None)


if __name__ == "__main__":
    run_child(body)
