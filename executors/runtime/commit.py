"""Commit one accepted publication exactly once: ``python -m executors.runtime.commit``.

stdin   ``{"publication": {output, uri, format, mode, files, schema, rows, partition_by, app_id, app_version,
          recorded_at}, "connection": {…}}``  (the contract's Publication with its marker, and a resolved connection)
stdout  ``{"table_version": int, "already": bool, "location": str}`` with exit 0 (location: of Iceberg tables alone);
        ``{"error": {class, code, message}}`` otherwise:
        exit 2, for good (asking again gives the same answer), exit 75, for now (ask again later, also what an
        operator can mend: a connection that is not complete, a package that is not installed)

Each format has a module with a ``Committer``: Delta marks a commit by a transaction (:mod:`commit_delta`), Iceberg by
a property of the snapshot (:mod:`commit_iceberg`), an object by the book beside it (:mod:`commit_object`). All of them
look for the marker, and commit on exactly the state in which they did not find it.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import tenacity

from executors.runtime.commit_parts import PLAIN_PATH, NotNowError, Pause
from executors.runtime.delta_storage import reason_of
from executors.runtime.failures import TaskError, not_installed
from executors.runtime.places import check_place

# What whoever keeps this installation and its connections file can mend: no publication is given up for it.
MENDABLE = frozenset({"format_not_installed", "connection_incomplete"})
EXIT_DONE, EXIT_FAILED, EXIT_LATER = 0, 2, 75
PATIENCE_SECONDS = 45.0
PUBLICATION_FIELDS = ("output", "uri", "mode", "files", "schema", "app_id", "app_version")
MODES = {
    "delta": frozenset({"append", "overwrite"}),
    "iceberg": frozenset({"append", "overwrite"}),
    "object": frozenset({"overwrite", "create"}),
}

__all__ = ["NotNowError", "publish"]


class Commits(Protocol):
    """One publication and the place it goes to."""

    def run_once(self) -> dict[str, Any]:
        """Check and commit once; raises NotNowError to be called again, TaskError for good."""


def committer(publication: Mapping[str, Any], connection: Mapping[str, Any], before_commit: Pause) -> Commits:
    """The format's own. Its library is loaded here: an installation has those of the formats that it publishes."""
    form = publication.get("format", "delta")
    try:
        module = importlib.import_module(f"executors.runtime.commit_{form}")
    except ModuleNotFoundError as error:
        raise not_installed(f"cannot commit {form}", error) from error
    make: Callable[..., Commits] = module.Committer
    return make(publication, connection, before_commit)


def publish(
    publication: Mapping[str, Any],
    connection: Mapping[str, Any],
    *,
    before_commit: Pause = lambda: None,
    patience_seconds: float = PATIENCE_SECONDS,
) -> dict[str, Any]:
    """Commit once and for all; returns ``{"table_version": int, "already": bool}``, of an Iceberg table also location.

    ``before_commit`` runs between the check and the commit (for tests). Raises TaskError for good, NotNowError when
    ``patience_seconds`` of conflicts or silence went by.
    """
    check_publication(publication)
    commits = committer(publication, connection, before_commit)
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(NotNowError),
        wait=tenacity.wait_random_exponential(multiplier=0.05, max=2.0),
        stop=tenacity.stop_after_delay(patience_seconds),
        reraise=True,
    )
    return retrying(commits.run_once)


def check_publication(publication: Mapping[str, Any]) -> None:
    """Refuse a record that cannot be committed, before the table is touched."""
    if missing := [name for name in PUBLICATION_FIELDS if publication.get(name) is None]:
        raise TaskError("internal", "publication_invalid", f"the publication lacks {', '.join(missing)}")
    form, mode = publication.get("format", "delta"), publication["mode"]
    if mode not in MODES.get(form, ()):
        known = "; ".join(f"{name} {'|'.join(sorted(modes))}" for name, modes in MODES.items())
        raise TaskError("internal", "publication_invalid", f"format {form!r} with mode {mode!r}; known: {known}")
    if publication.get("partition_by"):
        raise TaskError(
            "user", "partitioning_unsupported", "partitioned publications are not supported: leave it empty"
        )
    files = publication["files"]
    if odd := [file["path"] for file in files if not PLAIN_PATH.match(file["path"])]:
        raise TaskError("internal", "publication_invalid", f"file {odd[0]!r} is no plain path below its place")
    own = f"part-{publication['app_id'].partition('/')[0]}-{publication['app_version']}-"
    if form != "delta" and (others := [file["path"] for file in files if not is_own(file["path"], own)]):
        raise TaskError("internal", "publication_invalid", f"file {others[0]!r} is none that this attempt staged")
    if form == "object" and len(files) != 1:
        raise TaskError("internal", "publication_invalid", f"an object is one file, not {len(files)}")
    check_place(publication["uri"], form)


def is_own(path: str, prefix: str) -> bool:
    """Whether an attempt staged it: a report names its files, and code of a run can write one."""
    return path.startswith(prefix) and "/" not in path


def answer(text: str) -> tuple[int, dict[str, Any]]:
    """From the request's text to (exit code, answer)."""
    try:
        request = json.loads(text)
        return EXIT_DONE, publish(request["publication"], request["connection"])
    except TaskError as error:
        code = EXIT_LATER if error.code in MENDABLE else EXIT_FAILED
        return code, failed(error.failure_class, error.code, error.message)
    except ModuleNotFoundError as error:
        missing = not_installed("cannot commit this", error)
        return EXIT_LATER, failed(missing.failure_class, missing.code, missing.message)
    except NotNowError as error:
        return EXIT_LATER, failed("external", "commit_not_now", str(error))
    except (ValueError, KeyError, TypeError) as error:
        return EXIT_FAILED, failed("internal", "request_invalid", f"the request is not as documented: {error!r}")
    except Exception as error:
        return EXIT_FAILED, failed("internal", "commit_failed", f"{type(error).__name__}: {reason_of(error)}")


def failed(failure_class: str, code: str, message: str) -> dict[str, Any]:
    return {"error": {"class": failure_class, "code": code, "message": message}}


def main() -> None:
    """Answer one request on stdin."""
    code, value = answer(sys.stdin.read())
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()
    # Not sys.exit: delta-rs's threads can abort an ordinary interpreter exit (SIGABRT), and the answer is out.
    os._exit(code)


if __name__ == "__main__":
    main()
