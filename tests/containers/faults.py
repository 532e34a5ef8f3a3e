"""What tests do to containers at work, and how they see what became of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from control_room.client import OperatorClient
from tests.containers.engine import Project, docker, until

ENDED = {"succeeded", "failed", "cancelled", "skipped"}


def ended(client: OperatorClient, run: dict[str, Any], seconds: float = 240) -> dict[str, Any]:
    """The run once it has ended, with its attempts."""

    def look() -> dict[str, Any] | None:
        found = client.run(run["run_id"])
        return found if found["state"] in ENDED else None

    return until(look, seconds, lambda: f"{client.run(run['run_id'])}\n{client.why(run['run_id'])}")


def holder(client: OperatorClient, project: Project, run: dict[str, Any], service: str = "python") -> str:
    """The container whose executor has the run, once one has it."""

    def look() -> str | None:
        found = client.run(run["run_id"])
        at_work = [attempt for attempt in found["attempts"] if not attempt["finished_at"]]
        hosts = [attempt["executor_name"].partition("@")[2] for attempt in at_work]
        return next((c for host in hosts for c in project.containers(service) if c.startswith(host)), None)

    return until(look, 60, lambda: str(client.run(run["run_id"])))


@contextmanager
def scaled(project: Project, client: OperatorClient, count: int, service: str = "python") -> Iterator[list[str]]:
    """So many executors of a service, all registered; one again afterwards."""
    start(project, service, count)
    try:
        containers = project.containers(service)
        assert len(containers) == count
        hosts = {container[:12] for container in containers}
        until(lambda: hosts <= executors_of(client).get(service, set()), 60)
        yield containers
    finally:
        start(project, service, 1)


def start(project: Project, service: str, count: int) -> None:
    """Have so many containers of a service, without the demo."""
    project.profiles(service).up("--no-recreate", "--scale", f"{service}={count}", "--scale", "demo=0", service)


def executors_of(client: OperatorClient) -> dict[str, set[str]]:
    """Kind -> hosts of its executors that are active."""
    found: dict[str, set[str]] = {}
    for one in client.executors():
        if one["state"] == "active":
            found.setdefault(one["kind"], set()).add(one["name"].partition("@")[2])
    return found


@contextmanager
def cut_off(project: Project, container: str) -> Iterator[None]:
    network = f"{project.name}_control"
    docker("network", "disconnect", network, container)
    try:
        yield
    finally:
        docker("network", "connect", network, container)
