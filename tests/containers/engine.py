"""A Docker Engine in the hands of tests: images on a stand-in base, one compose project, containers."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from control_room.engines import catalogue

ROOT = Path(__file__).parents[2]
COMPOSE_FILE = ROOT / "infra" / "compose.yaml"
KINDS = ("python", "notebook", "dbt", "duckdb")
# Of profiles: `up` alone does not start them.
PROFILES = ("command", "trino", "spark")
LOG_STORE = "control-room-delta-log.jar"
PUBLIC_BASE = "docker.io/library/python:3.11-slim-bookworm"
PULL_SECONDS = 120
DEBIAN = "bookworm"
PACKAGES = "ca-certificates,python3,python3-pip,python3-venv"
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")


class EngineError(AssertionError):
    """A command of the engine failed; the text is what it printed."""


def output(*command: str, check: bool = True, seconds: float = 900, **options: Any) -> str:
    """Run a command, give back its stdout. Raises EngineError with all it printed."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, **options)
    if check and done.returncode:
        raise EngineError(
            f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-6000:]}"
        )
    return done.stdout


def programs() -> tuple[str, tuple[str, ...]]:
    """(docker, compose): Debian's client where there are two, since a newer one wants a plugin to build."""
    docker = os.environ.get("DOCKER") or next((p for p in ("/usr/bin/docker",) if Path(p).exists()), "docker")
    compose = ("docker-compose",) if shutil.which("docker-compose") else (docker, "compose")
    return docker, compose


def unreachable() -> str:
    """Why no engine can be had; "" when there is one."""
    docker, compose = programs()
    for command in ((docker, "version", "--format", "{{.Server.Version}}"), (*compose, "version")):
        try:
            output(*command, seconds=60)
        except (OSError, EngineError) as error:
            return (
                f"no Docker Engine: {str(error).splitlines()[0]}; install docker.io and docker-compose, start dockerd"
            )
    return ""


def docker(*arguments: str, **options: Any) -> str:
    return output(programs()[0], *arguments, **options)


def wanted(kinds: tuple[str, ...]) -> tuple[str, ...]:
    """Those of these kinds whose images are built: all, or what IMAGES names."""
    chosen = os.environ.get("IMAGES", "").split()
    return tuple(kind for kind in kinds if not chosen or kind in chosen)


@cache
def base_image() -> str:
    """What ours are built on: BASE_IMAGE, the public one, or, where that cannot be had, one of Debian's packages."""
    if given := os.environ.get("BASE_IMAGE"):
        return given
    name = f"control-room-base:{DEBIAN}"
    if docker("images", "-q", name).strip():
        return name
    if pulled(PUBLIC_BASE):
        return PUBLIC_BASE
    _make_base(name)
    return name


def pulled(image: str) -> bool:
    try:
        docker("pull", "-q", image, seconds=PULL_SECONDS)
    except (EngineError, subprocess.TimeoutExpired):
        return False
    return True


def _make_base(name: str) -> None:
    folder = ROOT / ".cache" / "base-image"
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(exist_ok=True)
    try:
        output("debootstrap", "--variant=minbase", f"--include={PACKAGES}", DEBIAN, str(folder))
        shutil.copy(AUTHORITIES, folder / AUTHORITIES.relative_to("/"))
        output("sh", "-c", f"tar -C '{folder}' -c . | '{programs()[0]}' import - {name}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def build_all(prefix: str = "control-room-test") -> dict[str, str]:
    """Every image of the project, by the variable of compose that names it; prints their sizes."""
    environment = os.environ | {"DOCKER": programs()[0], "BASE_IMAGE": base_image(), "BUILD_OPTIONS": "--network=host"}
    if jars := engine_image("spark"):
        environment["SPARK_JARS"] = jars
    sys.stdout.write(output("infra/docker/build", prefix, cwd=ROOT, env=environment, seconds=3600))
    ours = {"SERVER_IMAGE": f"{prefix}-server", "OBJECTSTORE_IMAGE": f"{prefix}-objectstore"}
    kinds = wanted((*KINDS, *PROFILES))
    executors = {f"{kind.upper()}_IMAGE": f"{prefix}-executor-{kind}" for kind in kinds}
    stand_ins = {"POSTGRES_IMAGE": stand_in(f"{prefix}-postgres", "postgres")}
    if trino := engine_image("trino"):
        stand_ins["TRINO_SERVER_IMAGE"] = stand_in(f"{prefix}-trino-server", "trino", f"ENGINE={trino}")
    return {**ours, **executors, **stand_ins}


def stand_in(name: str, file: str, *values: str) -> str:
    """Build what stands in for a public image; its name."""
    given = [f"--build-arg={value}" for value in (f"BASE={base_image()}", *values)]
    path = f"tests/containers/{file}.Dockerfile"
    environment = os.environ | {"DOCKER_BUILDKIT": "1"}
    docker("build", "--network=host", *given, "-f", str(ROOT / path), "-t", name, str(ROOT), env=environment)
    return name


def engine_image(engine: str) -> str:
    """An image with what `control-room engines install` fetched in /opt/engine; "" where it fetched nothing."""
    [distribution] = catalogue.chosen([engine])
    if (home := catalogue.installed_at(distribution)) is None:
        return ""
    name = f"control-room-test-engine-{engine}:{distribution.version}"
    if not docker("images", "-q", name).strip():
        tar = ["tar", "-c", "--transform", "s,^[.],opt/engine,", "-C", str(home), "."]
        if engine == "spark":
            store = Path(catalogue.__file__).parent / "logstore"
            tar += ["--transform", "s,^control-room-delta,opt/engine/jars/&,", "-C", str(store), LOG_STORE]
        output("sh", "-c", f"{shlex.join(tar)} | '{programs()[0]}' import - {name}")
    return name


@dataclass
class Project:
    """One compose project. environment: what compose fills its variables from."""

    name: str
    environment: dict[str, str] = field(default_factory=dict)

    def __call__(self, *arguments: str, **options: Any) -> str:
        command = (*programs()[1], "-p", self.name, "-f", str(COMPOSE_FILE), *arguments)
        return output(*command, env=os.environ | self.environment, **options)

    def up(self, *arguments: str) -> None:
        self("up", "-d", "--no-build", *arguments)

    def down(self) -> None:
        self.profiles(*PROFILES)("down", "-v", "--remove-orphans", "-t", "5")

    def profiles(self, *names: str) -> Project:
        """This project, seen with profiles."""
        return Project(self.name, self.environment | {"COMPOSE_PROFILES": ",".join(names)})

    def containers(self, service: str, *, gone: bool = False) -> list[str]:
        """Ids of the service's containers that run; with gone those that ended, too."""
        filters = [
            f"--filter=label=com.docker.compose.{k}={v}" for k, v in {"project": self.name, "service": service}.items()
        ]
        return docker("ps", "-q", "--no-trunc", *(["-a"] if gone else []), *filters).split()

    def cli(self, *arguments: str, mount: Path | None = None, check: bool = True) -> str:
        volume = ["-v", f"{mount}:{mount}:ro"] if mount else []
        return self("run", "--rm", "-T", *volume, "cli", *arguments, check=check)

    def secret(self, volume: str, file: str) -> str:
        """A file of one of the volumes of secrets."""
        mounted = f"{self.name}_{volume}:/v:ro"
        image = self.environment["SERVER_IMAGE"]
        return docker("run", "--rm", "--entrypoint", "cat", "-v", mounted, image, f"/v/{file}").strip()

    def logs(self, *services: str) -> str:
        return self("logs", "--no-color", "--tail", "200", *services)


def inspect(container: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = json.loads(docker("inspect", container))
    return found[0]


def until(condition: Callable[[], Any], seconds: float, told: Callable[[], str] = lambda: "") -> Any:
    """Wait for a condition; what it gave. AssertionError, with what `told` says, when it does not come."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"waited {seconds:g} s in vain. {told()}"
        time.sleep(0.25)
    return found


def inside(container: str, *command: str, check: bool = True) -> str:
    return docker("exec", container, *command, check=check)
