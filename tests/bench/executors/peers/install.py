"""Brings the peers, at bench time, into .cache: never into the product's environment. By hashes, from requirements here
that name no registry."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[4]
HERE = Path(__file__).parent
SECONDS = 900


class NotInstalled(Exception):  # noqa: N818 - it says what happened
    """It could not be installed; the text says why."""


def requirements(name: str) -> Path:
    return HERE / f"{name}.txt"


def environment_of(name: str) -> Path:
    return ROOT / ".cache" / f"bench-{name}"


def ensure(name: str) -> Path:
    """The folder of the peer's environment, made anew when its requirements have changed. NotInstalled with pip's
    reason."""
    folder, wanted = environment_of(name), requirements(name).read_bytes()
    stamp = folder / ".requirements"
    if stamp.exists() and stamp.read_bytes() == wanted:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    _call([sys.executable, "-m", "venv", str(folder)])
    quiet = ["--quiet", "--progress-bar", "off", "--disable-pip-version-check"]
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", *quiet]
    _call([*pip, "--require-hashes", "--no-deps", "-r", str(requirements(name))])
    stamp.write_bytes(wanted)
    return folder


def _call(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotInstalled(f"{type(error).__name__}: {error}") from None
    if done.returncode != 0:
        raise NotInstalled(" ".join(done.stderr.split())[-300:])


def version(name: str, package: str) -> str:
    """As the requirements say."""
    lines = requirements(name).read_text().splitlines()
    return next(line.split("==")[1].split()[0] for line in lines if line.startswith(f"{package}=="))
