"""The Spark of a template, without a client loaded: it is chosen before a process is started, too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from executors.dbt.config import DbtConfig
from executors.runtime.failures import TaskError
from executors.runtime.sql_config import invalid
from executors.spark.config import SparkConfig
from executors.spark.settings import Target, target_of


def chosen_target(config: DbtConfig, connections: Mapping[str, Mapping[str, Any]]) -> Target:
    """The Connect server of a template. TaskError when it is not known, or the schema is missing."""
    if not config.schema:
        raise invalid("schema", "is missing: dbt must know where to write")
    target = target_of(SparkConfig(connection=config.connection), connections)
    if not target.remote:
        text = f"the connection {config.connection!r} has no Spark Connect server, and dbt works on one alone"
        text += ": give it a remote (OPS_SPARK_REMOTE for the executor's own)"
        raise TaskError("external", "spark_undefined", text)
    return target
