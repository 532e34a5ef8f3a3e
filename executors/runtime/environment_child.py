"""The process that builds an environment: a child as a run's, confined as one, that may write to it and pip's cache.

Its job holds ``target`` (an environment without packages), ``requirements`` (lines), ``pip`` (an interpreter that has
it), ``wheelhouse`` (a folder or None), ``build_sdists``. What pip says is the run's log.
"""

from __future__ import annotations

import os
import subprocess
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from executors.runtime.child import Context, run_child
from executors.runtime.requirements import pip_failure

# Enough of pip's last words to tell why it failed.
KEPT_LINES = 500


def body(context: Context) -> dict[str, Any]:
    """Build it. TaskError as of pip_failure."""
    target = Path(context.job["target"])
    context.progress(message="building the environment of requirements.txt")
    wanted = context.work_dir / ".tmp" / "requirements.txt"
    wanted.write_text("".join(f"{line}\n" for line in context.job["requirements"]), "utf-8")
    install(context.job, target, wanted)
    return {}


def install(job: Mapping[str, Any], target: Path, wanted: Path) -> None:
    log = wanted.with_name("pip.log")
    code, words = followed([*pip_command(job, target, wanted), "--log", str(log)])
    if code != 0:
        if job["build_sdists"]:
            print(told_to(log), flush=True)  # noqa: T201 - what the packages' own builds wrote
        raise pip_failure(words + told_to(log, "Could not fetch URL"), sdists=job["build_sdists"])


def told_to(log: Path, having: str = "") -> str:
    """The last lines of pip's own log, which alone tells what builds wrote, and why pages of an index were not had."""
    with log.open(errors="replace") as lines:
        return "".join(deque((line for line in lines if having in line), maxlen=KEPT_LINES))


def pip_command(job: Mapping[str, Any], target: Path, wanted: Path) -> list[str]:
    """pip of the executor, at work in the environment: that has none of its own."""
    command = [job["pip"], "-I", "-m", "pip", "--python", str(target / "bin" / "python"), "install"]
    command += ["--require-hashes", "--no-input", "--no-warn-script-location", "--disable-pip-version-check"]
    command += ["--progress-bar", "off", "-r", str(wanted)]
    if job["wheelhouse"]:
        command += ["--no-index", "--find-links", job["wheelhouse"]]
    return command + (["--no-cache-dir"] if job["build_sdists"] else ["--only-binary", ":all:"])


def followed(command: list[str]) -> tuple[int, str]:
    """Run it, its output on ours; its exit code and last lines."""
    lines: deque[str] = deque(maxlen=KEPT_LINES)
    # Paths of the executor's own packages are none of the environment's.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(command, env=kept, text=True, errors="replace", **pipes) as process:  # type: ignore[call-overload]
        for line in process.stdout or ():
            lines.append(line)
            print(line, end="", flush=True)  # noqa: T201 - the run's log
    return process.returncode, "".join(lines)


if __name__ == "__main__":
    run_child(body)
