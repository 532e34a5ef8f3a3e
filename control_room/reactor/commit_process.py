"""Runs `python -m executors.runtime.commit`: JSON on stdin and stdout, nothing secret in arguments or environment.

Exit 0 with {table_version, already, location}; exit 2 with {error} for good; anything else, a crash too, may pass.
An object's bytes go through a file below TMPDIR, which has no name there and goes with the process.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

COMMAND = (sys.executable, "-m", "executors.runtime.commit")
TIMEOUT_SECONDS = 300.0
# An object is read from the store and written to it: the slowest way there that a commit is waited for.
BYTES_PER_SECOND = 2 * 1024**2
FOR_GOOD = 2
# How to find programs, a home and the way out of the network; the store's keys come by stdin.
_PASSED_ON = (
    *("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
)
_MAX_TAIL = 500


class CommitError(Exception):
    """The commit did not go through. transient: trying again later may help."""

    def __init__(self, message: str, *, code: str, error_class: str = "external", transient: bool = True) -> None:
        super().__init__(message)
        self.code, self.error_class, self.transient = code, error_class, transient


def scrubbed(environment: Mapping[str, str]) -> dict[str, str]:
    """What of the server's environment the process gets: no setting, no database variable, no key."""
    return {name: environment[name] for name in _PASSED_ON if name in environment}


def seconds_for(publication: Mapping[str, Any], timeout: float = TIMEOUT_SECONDS) -> float:
    """How long a commit may take: `timeout`, and one second more for each 2 MiB that were staged."""
    return timeout + sum(file.get("size") or 0 for file in publication.get("files") or ()) / BYTES_PER_SECOND


class CommitProcess:
    """command: what to run; timeout: seconds after which it is killed, beside those for its bytes (seconds_for)."""

    def __init__(self, command: Sequence[str] = COMMAND, timeout: float = TIMEOUT_SECONDS) -> None:
        self._command, self._timeout = tuple(command), timeout

    async def commit(self, publication: Mapping[str, Any], connection: Mapping[str, Any]) -> dict[str, Any]:
        """{table_version, already}, and of an Iceberg table {location}. Raises CommitError."""
        seconds = seconds_for(publication, self._timeout)
        process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=scrubbed(os.environ),
            start_new_session=True,
        )
        job = json.dumps({"publication": dict(publication), "connection": dict(connection)}).encode()
        try:
            async with asyncio.timeout(seconds):
                out, err = await process.communicate(job)
        except TimeoutError:
            raise CommitError(f"the commit took longer than {seconds:.0f} s", code="commit_timeout") from None
        finally:
            await _end(process)
        return read_answer(process.returncode or 0, out, err)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def read_answer(returncode: int, out: bytes, err: bytes) -> dict[str, Any]:
    """What the process answered. Raises CommitError."""
    answer = _last_object(out)
    if returncode == 0 and isinstance(answer.get("table_version"), int):
        return answer
    error = answer.get("error")
    if isinstance(error, dict):
        raise _told(error, transient=returncode != FOR_GOOD)
    tail = err.decode("utf-8", "replace").strip()[-_MAX_TAIL:] or "it said nothing"
    raise CommitError(f"the commit process ended with {returncode}: {tail}", code="commit_process_failed")


def _last_object(out: bytes) -> dict[str, Any]:
    lines = out.decode("utf-8", "replace").strip().splitlines()
    try:
        found = json.loads(lines[-1]) if lines else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _told(error: Mapping[str, Any], transient: bool) -> CommitError:
    return CommitError(
        str(error.get("message", "the commit failed")),
        code=str(error.get("code", "commit_failed")),
        error_class=str(error.get("class", "external")),
        transient=transient,
    )
