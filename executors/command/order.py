"""From a template's config to what the child starts: everything checked, resolved and filled in, in the executor."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from executors.command.allow import AllowList, entries
from executors.command.config import CommandConfig, Secret, check_variables, parse_config
from executors.command.container import BUNDLE, INPUTS, WORK, Container, container_name
from executors.command.placeholders import Values
from executors.command.settings import CommandSettings
from executors.runtime.failures import TaskError
from executors.runtime.text import SHORTEST_SECRET, spellings

OUTPUTS = "outputs"
NOBODY = "65534:65534"
Json = dict[str, Any]


def place(job: Json, allow: AllowList, settings: CommandSettings, client_env: Mapping[str, str]) -> None:
    """Put the order into the job as ``command``, its secrets beside it as ``secrets``, and take the connections away.

    TaskError (user or external) when the template, its params or the executor does not fit.
    """
    config = parse_config(job)
    env, secret_names = variables(config, job)
    container = container_of(job, config, allow, settings, client_env, secret_names) if config.image else None
    program = config.argv[0] if container else host_program(job, config, allow, settings)
    values = values_of(job, inside=container is not None)
    job["command"] = {
        "program": program,
        "argv": [config.argv[0], *(values.fill(a, f"argument {n}") for n, a in enumerate(config.argv[1:], 1))],
        "env": {n: v if n in secret_names else values.fill(v, f"env.{n}") for n, v in env.items()},
        "secret_names": sorted(secret_names),
        "stdin": None if config.stdin is None else values.fill(config.stdin, "stdin"),
        "exit_codes": sorted(config.exit_codes),
        "container": container.as_json() if container else None,
    }
    job["secrets"] = sorted({spelling for name in secret_names for spelling in spellings(env[name])})
    job["connections"] = {}


def host_program(job: Mapping[str, Any], config: CommandConfig, allow: AllowList, settings: CommandSettings) -> str:
    """The path to execute on the host; TaskError when it is not allowed."""
    if not allow.bundle:
        check_variables(config, entries(settings.env))
    return allow.resolve(config.argv[0], folder(job, "bundle_dir"))


def variables(config: CommandConfig, job: Mapping[str, Any]) -> tuple[dict[str, str], set[str]]:
    """The variables with secrets in place, and which of them are secrets."""
    secrets = {name for name, value in config.env.items() if isinstance(value, Secret)}
    found = {n: secret(v, job["connections"]) if isinstance(v, Secret) else v for n, v in config.env.items()}
    return found, secrets


def secret(reference: Secret, connections: Mapping[str, Mapping[str, Any]]) -> str:
    """The value that is referred to; TaskError when there is none, or none that can be kept out of a log."""
    where = f"secret {reference.connection}.{reference.key}"
    if reference.connection not in connections:
        text = f"{where}: the template declares no connection {reference.connection!r}; add it to connections"
        raise TaskError("user", "secret_undefined", text)
    value = connections[reference.connection].get(reference.key)
    if not isinstance(value, str) or len(value) < SHORTEST_SECRET or "\x00" in value:
        text = f"{where}: the executor's connection has no such text of at least {SHORTEST_SECRET} characters; add it"
        raise TaskError("external", "secret_undefined", text)
    return value


def values_of(job: Mapping[str, Any], *, inside: bool) -> Values:
    """What placeholders stand for, as the program sees it: inside a container folders have other names."""
    files = {name: f"{INPUTS}/{Path(path).name}" if inside else path for name, path in job["input_files"].items()}
    tables = {item["name"]: str(item.get("uri") or "") for item in job.get("inputs") or [] if item["kind"] == "table"}
    folders = {"outputs": f"{WORK if inside else job['work_dir']}/{OUTPUTS}"}
    if job.get("bundle_dir"):
        folders["bundle"] = BUNDLE if inside else str(job["bundle_dir"])
    return Values(job.get("params") or {}, tables | files, folders)


def container_of(
    job: Mapping[str, Any],
    config: CommandConfig,
    allow: AllowList,
    settings: CommandSettings,
    client_env: Mapping[str, str],
    secret_names: set[str],
) -> Container:
    if settings.containers is None:
        text = f"this executor starts no containers, and the template names image {config.image}; set "
        text += "OPS_COMMAND_CONTAINERS to the path of the docker client, or leave config.image out"
        raise TaskError("user", "containers_not_allowed", text)
    allow.check_image(str(config.image))
    own = NOBODY if os.geteuid() == 0 else f"{os.geteuid()}:{os.getegid()}"
    files = list(job["input_files"].values())
    return Container(
        client=str(settings.containers),
        client_env=dict(client_env),
        name=container_name(f"{job['run_id']}-{job['epoch']}"),
        image=str(config.image),
        network=settings.network,
        cpus=min(config.cpus or settings.cpus, settings.cpus),
        memory_bytes=(job.get("caps") or {}).get("memory_bytes"),
        user=settings.user or own,
        work_dir=str(job["work_dir"]),
        bundle_dir=str(job["bundle_dir"]) if job.get("bundle_dir") else None,
        inputs_dir=str(Path(files[0]).parent) if files else None,
        secret_names=sorted(secret_names),
    )


def folder(job: Mapping[str, Any], name: str) -> Path | None:
    return Path(job[name]) if job.get(name) else None
