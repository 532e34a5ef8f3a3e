"""Runs ``python -m executors.runtime.commit`` for an executor: JSON on stdin and stdout, nothing secret in arguments.

Exit 0 with ``{table_version, already, location}``; exit 2 with ``{error}`` for good; anything else, a crash too, may
pass. It is killed when nobody waits for it any more, and when it has taken far longer than its bytes need.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from executors.runtime.failures import error_record
from executors.runtime.policy import GivenUp
from executors.runtime.process import ALLOWED_ENVIRONMENT

Json = dict[str, Any]
COMMAND = (sys.executable, "-P", "-m", "executors.runtime.commit")
FOR_GOOD = 2
SECONDS = 300.0
# An object is read from the store and written to it: the slowest way there that a commit is waited for.
BYTES_PER_SECOND = 2 * 1024**2
LOOK_SECONDS = 0.5


class CommitFailed(Exception):  # noqa: N818 - it says what happened
    """A publication did not get into its table; ``transient`` says whether another try may help."""

    def __init__(self, error: Json, *, transient: bool) -> None:
        super().__init__(error["message"])
        self.error, self.transient = error, transient


def seconds_for(publication: Mapping[str, Any]) -> float:
    """How long a commit may take: 300 s, and one more for each 2 MiB that were staged."""
    return SECONDS + sum(file.get("size") or 0 for file in publication.get("files") or ()) / BYTES_PER_SECOND


def run_commit(
    command: tuple[str, ...],
    publication: Json,
    connection: Mapping[str, Any],
    folder: Path,
    gone: threading.Event,
) -> Json:
    """``{table_version, already, location}``. Raises CommitFailed; GivenUp when ``gone`` is set meanwhile.

    An object's bytes go through a file: on the disk of ``folder``, not in a small or precious /tmp.
    """
    job = json.dumps({"publication": publication, "connection": connection}).encode()
    kept = {name: value for name, value in os.environ.items() if name in ALLOWED_ENVIRONMENT}
    pipe = subprocess.PIPE
    try:
        process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=pipe, env={**kept, "TMPDIR": str(folder)}, start_new_session=True
        )
    except OSError as error:
        raise CommitFailed(unended(type(error).__name__), transient=True) from None
    with process:
        try:
            out, err = ended(process, job, seconds_for(publication), gone)
        finally:
            process.kill()
    return read_answer(process.returncode, out, err)


def ended(process: subprocess.Popen[bytes], job: bytes, seconds: float, gone: threading.Event) -> tuple[bytes, bytes]:
    """What it wrote until its end. Raises CommitFailed after so many seconds, GivenUp when ``gone`` is set."""
    over = threading.Event()
    # Beside one call of communicate, not between several: Python 3.11's, called again, forgets what of the job is not
    # written yet, and a process that reads to the end waits for it for ever.
    threading.Thread(target=kill_if_gone, args=(process, gone, over), daemon=True).start()
    try:
        found = process.communicate(job, timeout=seconds)
    except subprocess.TimeoutExpired:
        raise CommitFailed(unended(f"it took longer than {seconds:.0f} s"), transient=True) from None
    finally:
        over.set()
    if gone.is_set() and process.returncode == -signal.SIGKILL:
        raise GivenUp("the executor stops")
    return found


def kill_if_gone(process: subprocess.Popen[bytes], gone: threading.Event, over: threading.Event) -> None:
    """Kill it when ``gone`` is set before ``over`` is."""
    while not over.wait(LOOK_SECONDS):
        if gone.is_set():
            process.kill()
            return


def read_answer(returncode: int, out: bytes, err: bytes) -> Json:
    """The commit process's answer {table_version, already, location}; CommitFailed with its own error otherwise."""
    answer = last_object(out)
    if returncode == 0 and isinstance(answer.get("table_version"), int):
        return answer
    if isinstance(error := answer.get("error"), dict):
        record = error_record(error.get("class", "external"), error.get("code", "commit_failed"), error["message"])
        raise CommitFailed(record, transient=returncode != FOR_GOOD)
    tail = err.decode("utf-8", "replace").strip()[-500:] or "it said nothing"
    text = f"the commit process ended with {returncode}: {tail}"
    raise CommitFailed(error_record("external", "commit_failed", text), transient=True)


def unended(why: str) -> Json:
    return error_record("external", "commit_failed", f"the commit process did not end well: {why}")


def last_object(out: bytes) -> Json:
    """The JSON object on the last line of an output, {} when there is none."""
    lines = out.decode("utf-8", "replace").strip().splitlines()
    try:
        found = json.loads(lines[-1]) if lines else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
