"""Brings the peers, at bench time, into .cache/bench-pip and .cache/bench-npm: never into the product's environment."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
HERE = Path(__file__).parent
PIP, NPM = ROOT / ".cache" / "bench-pip", ROOT / ".cache" / "bench-npm"
LOCK, NPM_LOCK = ROOT / "locks" / "bench.lock", HERE / "peers-npm" / "package-lock.json"
WITH_NODE = str(ROOT / "infra" / "dev" / "with-node")
# The peers ask for a newer Node than the project does; the one of PyPI is new enough.
NODE_ENVIRONMENT = {**os.environ, "CONTROL_ROOM_NODE": "wheel"}


def ensure() -> None:
    """Install what is missing or older than its lock."""
    _once(PIP, LOCK, _pip)
    _once(NPM, NPM_LOCK, _npm)


def _once(folder: Path, lock: Path, install: object) -> None:
    stamp = folder / ".lock"
    if stamp.exists() and stamp.read_bytes() == lock.read_bytes():
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    assert callable(install)
    install()
    stamp.write_bytes(lock.read_bytes())


def _pip() -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--progress-bar", "off", "--target", str(PIP)]
    _run([*command, "--require-hashes", "--no-deps", "-r", str(LOCK)], ROOT)


def _npm() -> None:
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / "peers-npm" / name, NPM / name)
    command = [WITH_NODE, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    _run(command, NPM)


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, env=NODE_ENVIRONMENT, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command[:4])} … failed: {done.stderr[-2000:]}")


def versions() -> dict[str, str]:
    """Name and version of each peer, as locked."""
    packages = json.loads(NPM_LOCK.read_text())["packages"]
    found = {name: packages[f"node_modules/{name}"]["version"] for name in ("graphile-worker", "pg-boss")}
    for line in LOCK.read_text().splitlines():
        name, _, version = line.partition("==")
        if name in ("procrastinate", "pgqueuer"):
            found[name] = version.split()[0]
    return found


def python(script: str) -> list[str]:
    """The command of a Python worker; the environment is `environment()`."""
    return [sys.executable, str(HERE / "workers" / script)]


def node(script: str) -> list[str]:
    return [WITH_NODE, "node", str(HERE / "workers" / script)]


def environment() -> dict[str, str]:
    return {**NODE_ENVIRONMENT, "PYTHONPATH": str(PIP)}
