"""A command in a container: the argument lists of the docker client. Pure; executors.command.child starts them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from executors.runtime.sql_config import invalid

WORK, BUNDLE, INPUTS = "/work", "/bundle", "/inputs"
PIDS = 1024
TEMPORARY_BYTES = 64 * 1024 * 1024
# The client itself reads these from the environment in which it hands secrets on.
CLIENTS_OWN = re.compile(r"^(PATH|HOME|LD_.*|DOCKER_.*|CONTAINER.*|XDG_.*|GODEBUG|SSL_CERT_.*|.*_PROXY)$")


@dataclass(frozen=True)
class Container:
    """``user``: UID:GID. Folders are the executor's; inside they are /work, /bundle and /inputs. Secrets by name."""

    client: str
    name: str
    image: str
    work_dir: str
    user: str
    network: str = "none"
    cpus: float = 1.0
    memory_bytes: int | None = None
    bundle_dir: str | None = None
    inputs_dir: str | None = None
    client_env: Mapping[str, str] = field(default_factory=dict)
    secret_names: Sequence[str] = ()

    def __post_init__(self) -> None:
        if clash := [name for name in self.secret_names if CLIENTS_OWN.match(name.upper())]:
            raise invalid(f"env.{clash[0]}", "is a name that the container's client reads itself; take another one")

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def container_name(attempt: str) -> str:
    """attempt: ``<run id>-<epoch>``."""
    return f"control-room-{attempt}"


def run_arguments(container: Container, argv: Sequence[str], env: Mapping[str, str], *, stdin: bool) -> list[str]:
    """Start it: no network, no privilege, nothing of it writable but /work and a small /tmp, unless told otherwise.

    Secrets are named only: the client takes their values from its environment, which no list of processes shows.
    """
    told = [f"--env={n}" if n in container.secret_names else f"--env={n}={value}" for n, value in env.items()]
    return [
        *(container.client, "run", f"--name={container.name}", "--init", "--log-driver=none"),
        *(f"--network={container.network}", "--read-only", f"--tmpfs=/tmp:rw,nosuid,nodev,size={TEMPORARY_BYTES}"),
        *("--security-opt=no-new-privileges", "--cap-drop=ALL", f"--user={container.user}"),
        *(f"--pids-limit={PIDS}", "--ulimit=core=0", f"--cpus={container.cpus:g}", *memory(container.memory_bytes)),
        *mounts(container),
        f"--workdir={WORK}",
        *told,
        *(["--interactive"] if stdin else []),
        f"--entrypoint={argv[0]}",
        container.image,
        *argv[1:],
    ]


def memory(limit: int | None) -> list[str]:
    """As much swap as nothing: what is over the limit ends the container."""
    return [f"--memory={limit}b", f"--memory-swap={limit}b"] if limit else []


def mounts(container: Container) -> list[str]:
    folders = [
        (container.work_dir, WORK, "rw"),
        (container.bundle_dir, BUNDLE, "ro"),
        (container.inputs_dir, INPUTS, "ro"),
    ]
    return [f"--volume={source}:{target}:{mode}" for source, target, mode in folders if source]


def inspect_arguments(container: Container) -> list[str]:
    """Print ``true`` when memory ran out in it."""
    return [container.client, "inspect", "--format={{.State.OOMKilled}}", container.name]


def remove_arguments(client: str, name: str) -> list[str]:
    """Kill what is left of it, whole, and forget it."""
    return [client, "rm", "--force", "--volumes", name]
