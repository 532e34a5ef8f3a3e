"""The process of one run of spark-submit: starts it, follows it, keeps what the application left.

Deploy mode is client: the application's driver is a process below this one, whatever its master, and ends with it. It
is confined as the author's code is; what it needs, the settings with the keys of its store among it, its author can
read. What it writes to the folder ``outputs`` becomes artifacts, ``outputs/result.json`` the run's result.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from executors.command.child import conclude, program_environment
from executors.command.notes import Follower as Notes
from executors.command.order import OUTPUTS, values_of
from executors.runtime.child import Cancelled, Context, run_child
from executors.runtime.memory import oom_kills
from executors.runtime.text import Redactor
from executors.spark.config import SparkConfig, parse_config
from executors.spark.driver import LOOPBACK, free_port, heap_bytes, held, properties_text, spark_home
from executors.spark.run import tag_of
from executors.spark.settings import Target, secrets_of, target_of
from executors.spark.status import Follower
from executors.spark.submit import Submit, application_settings, arguments, file_settings
from executors.spark.submit_failure import failure
from executors.spark.tail import Tail


def body(context: Context) -> Any:
    """Submit it and wait for its end; the result is what it left, else ``{"exit_code", "application"}``."""
    config = parse_config(context.job)
    target = target_of(config, context.connections)
    assert config.submit is not None
    context.log(f"mode {target.mode}: {target.why}; master {target.master}")
    context.is_cancelled()  # which says that it asks itself: SIGTERM goes to the driver, and what it left is kept
    outputs = context.work_dir / OUTPUTS
    outputs.mkdir(exist_ok=True)
    heap, port, killed = heap_bytes(context.job.get("caps") or {}), free_port(), oom_kills()
    argv, environment = prepared(context, config, config.submit, target, heap, port)
    if context.is_cancelled():
        raise Cancelled("the run was stopped before its application started")
    context._control.send("unsure", value=True)  # from here on nobody knows what it wrote
    with Notes(context), Follower(context, port) as status:
        code, ends = run(argv, environment, context.work_dir)
    context._control.send("unsure", value=False)
    stdout, stderr = map(Redactor(secrets_of(target.properties)).text, ends)
    error = failure(
        code,
        stdout,
        stderr,
        str(context.bundle_dir),
        heap,
        oom=oom_kills() > killed,
        started=status.application is not None,
        worked=status.worked,
    )
    found = conclude(context, outputs, code, error)
    return {**found, "application": status.application} if found == {"exit_code": code} else found


def prepared(
    context: Context, config: SparkConfig, submit: Submit, target: Target, heap: int, port: int
) -> tuple[list[str], dict[str, str]]:
    """(arguments, environment) of the program."""
    scratch, bundle, home = context.work_dir / ".spark", Path(str(context.bundle_dir)), spark_home(target)
    scratch.mkdir(exist_ok=True)
    platform = held(target, scratch, heap) | file_settings(submit, bundle, target.properties)
    platform |= {"spark.yarn.tags": tag_of(context)}
    operator = {"spark.app.name": f"control-room-run-{context.number}", **target.properties}
    settings = application_settings(operator, config.conf, platform, target.master, heap, port)
    written = scratch / "application.properties"
    written.touch(mode=0o600)
    written.write_text(properties_text(settings))
    own = {
        **target.environment,
        "SPARK_HOME": str(home),
        # Where the status API listens; what executors call the driver by is a setting.
        "SPARK_LOCAL_IP": LOOPBACK,
        "PYSPARK_PYTHON": target.properties.get("spark.pyspark.python", sys.executable),
        "PYSPARK_DRIVER_PYTHON": sys.executable,
    }
    argv = [
        str(home / "bin" / "spark-submit"),
        *arguments(submit, written, bundle, values_of(context.job, inside=False)),
    ]
    return argv, program_environment(context, own)


def run(argv: Sequence[str], environment: Mapping[str, str], folder: Path) -> tuple[int, tuple[str, str]]:
    """Start the program in this process's group and wait for it: (exit code, ends of stdout and stderr)."""
    process = subprocess.Popen(
        argv, env=environment, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    tails = Tail(process.stdout, 1), Tail(process.stderr, 2)
    code = process.wait()
    return code, (tails[0].text(), tails[1].text())


if __name__ == "__main__":
    run_child(body)
