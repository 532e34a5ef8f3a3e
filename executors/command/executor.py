"""The command executor: any program that the executor's operator allows, on the host or in a container."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from executors.command.allow import AllowList
from executors.command.config import DRILL
from executors.command.container import container_name, remove_arguments
from executors.command.order import place
from executors.command.settings import CommandSettings
from executors.runtime.kinds import ExecutorKind
from executors.runtime.settings import SettingsError

# To upload what the program left, after it was killed.
KEEP_SECONDS = 10.0
REMOVE_SECONDS = 20.0
# How the docker client finds its engine.
CLIENT_VARIABLES = ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH")


def capabilities() -> dict[str, Any]:
    # A program may change anything that it can reach. A template that says rerun: safe may be run again by itself.
    return {"progress": "notes.jsonl", "results": ["result.json"], "writes": {"engine": "at_least_once"}}


def configured() -> ExecutorKind:
    """The kind with what the environment allows; SettingsError when that is nothing, or cannot work."""
    try:
        settings = CommandSettings().checked()
    except ValidationError as error:
        first = error.errors()[0]
        raise SettingsError(f"OPS_COMMAND_{str(first['loc'][0]).upper()}: {first['msg']}") from None
    allow = AllowList.of(settings.allow)
    client_env = {name: os.environ[name] for name in CLIENT_VARIABLES if name in os.environ}

    def known() -> dict[str, Any]:
        images = list(allow.images) if settings.containers else []
        return {**capabilities(), "programs": list(allow.programs), "bundle": allow.bundle, "images": images}

    def prepare(job: dict[str, Any]) -> None:
        if job.get("entrypoint") != DRILL:
            place(job, allow, settings, client_env)

    def recover(attempts: Sequence[str]) -> None:
        for attempt in attempts if settings.containers else ():
            remove(str(settings.containers), container_name(attempt), client_env)

    return replace(EXECUTOR, capabilities=known, prepare=prepare, recover=recover)


def release(job: Mapping[str, Any]) -> None:
    """Kill the run's container: the client that waited for it may have been killed."""
    if container := (job.get("command") or {}).get("container"):
        remove(container["client"], container["name"], container["client_env"])


def remove(client: str, name: str, client_env: Mapping[str, str]) -> None:
    """Kill a container whole, by its name, if there is one."""
    with suppress(OSError, subprocess.TimeoutExpired):
        environment = {**os.environ, **client_env}
        subprocess.run(remove_arguments(client, name), env=environment, capture_output=True, timeout=REMOVE_SECONDS)


EXECUTOR = ExecutorKind(
    "command",
    "executors.command.child",
    capabilities,
    configure=configured,
    keep_seconds=KEEP_SECONDS,
    release=release,
)
