"""One compose project for all tests of containers, from images of this checkout."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from control_room.client import OperatorClient
from tests.containers import engine
from tests.containers.engine import KINDS, PROFILES, Project

TEMPLATES = Path(__file__).parent / "templates"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = engine.unreachable()
    for item in items:
        if reason and Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.skip(reason=reason))


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def images() -> dict[str, str]:
    return engine.build_all()


@pytest.fixture(scope="session")
def project(images: dict[str, str]) -> Iterator[Project]:
    port = free_port()
    environment = images | {"PORT": str(port), "S3_PORT": str(free_port()), "PUBLIC_URL": f"http://localhost:{port}"}
    made = Project(f"control-room-test-{port}", environment)
    try:
        made.up(*(engine.wanted(KINDS) if "IMAGES" in os.environ else ()))
        yield made
    finally:
        made.down()


@pytest.fixture(scope="session")
def engines(project: Project) -> Project:
    """The project with the servers and executors of all profiles, beside what `up` alone starts."""
    if "TRINO_SERVER_IMAGE" not in project.environment:
        pytest.skip("no Trino to make an image of; fetch it: control-room engines install trino")
    wanted = engine.wanted(PROFILES)
    project.profiles(*wanted).up("--no-recreate", "--scale", "demo=0", *wanted)
    return project


@pytest.fixture(scope="session")
def client(project: Project) -> Iterator[OperatorClient]:
    """The operator's client, with the templates of these tests applied."""
    project.cli("templates", "apply", str(TEMPLATES), mount=TEMPLATES)
    token = project.secret("secrets-operator", "token")
    with OperatorClient(f"http://127.0.0.1:{project.environment['PORT']}", token, patience=60) as found:
        yield found
