"""The process of one notebook run: parameters in, cells executed one by one, notebook and HTML out.

Both files are artifacts, also of a run that failed or was stopped, with the cell marked where that happened; so is what
its cells kept. What the notebook published counts only when every cell succeeded.
"""

from __future__ import annotations

import html
import json
import os
import re
import signal
import sys
from pathlib import Path
from typing import Any

from executors.notebook.drill import DRILL, result_of, write_notebook
from executors.notebook.kernel import MESSAGES
from executors.notebook.place import line_in_cell
from executors.runtime.child import Cancelled, Context, run_child
from executors.runtime.failures import DISK_FULL_ERRNOS, FULL_ERRNOS, NETWORK_ERRNOS, NETWORK_WORDS, TaskError
from executors.runtime.text import Redactor, secrets_in, spellings

ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
OWN_ERROR = re.compile(r"^(user|external|internal|resources)/(\w+): (.*)$", re.DOTALL)
NETWORK_ERRORS = frozenset(
    {
        "BrokenPipeError",
        "ClientError",
        "ConnectError",
        "ConnectTimeout",
        "ConnectionAbortedError",
        "ConnectionError",
        "ConnectionRefusedError",
        "ConnectionResetError",
        "EndpointConnectionError",
        "ReadTimeout",
        "gaierror",
        "NoCredentialsError",
    }
)
# By which stores out of reach are told, with the reason in the text.
STORE_ERRORS = frozenset({"OSError", "RuntimeError", "DeltaError"})
ERRNO = re.compile(r"^\[Errno (\d+)\]")
NOTEBOOK_MEDIA_TYPE = "application/x-ipynb+json"


def body(context: Context) -> dict[str, Any]:
    """Execute the entrypoint's notebook.

    Returns ``{"notebook", "html", "cells": [{"cell", "seconds", "status"}], "published": {output: rows}}``; ``cell`` is
    the number that the page shows, ``In [1]``.
    """
    keep_home_clean(context.work_dir)
    from executors.notebook import document  # the Jupyter libraries read their folders at import

    if context.entrypoint == DRILL:
        path = write_notebook(context.work_dir)
        notebook = document.with_parameters(document.read_notebook(path, path.name), {})
        NotebookRun(context, notebook, path).execute()
        return result_of(context.params)
    path = document.notebook_path(context.bundle_dir, context.entrypoint)
    notebook = document.with_parameters(document.read_notebook(path, context.entrypoint), context.params)
    return NotebookRun(context, notebook, path).execute()


class NotebookRun:
    """One execution, and the files it leaves."""

    def __init__(self, context: Context, notebook: Any, path: Path) -> None:
        from executors.notebook.client import Execution

        self._context, self._notebook, self._path = context, notebook, path
        self._execution = Execution(notebook, context.job, path.parent)
        self._desk = Desk(context)
        self._result: dict[str, Any] = {"notebook": path.name, "html": f"{path.stem}.html"}

    @property
    def _so_far(self) -> dict[str, Any]:
        return self._result | {"cells": self._execution.cells}

    def execute(self) -> dict[str, Any]:
        from executors.notebook.client import CellFailedError, KernelDiedError

        self._stop_on_sigterm()
        try:
            self._execution.run(self._progress)
        except (CellFailedError, KernelDiedError, Cancelled, RuntimeError) as error:  # the last: no kernel came up
            if self._context.is_cancelled():
                raise self._stopped() from None
            raise self._failed(error) if isinstance(error, CellFailedError | KernelDiedError) else error from None
        self._keep()
        return self._so_far | {"published": self._desk.publish()}

    def _stop_on_sigterm(self) -> None:
        """Kill the kernel and let the wait for it end: an exception raised inside asyncio could get lost in a task."""
        self._check_cancelled()
        inner = signal.getsignal(signal.SIGTERM)

        def stop(number: int, frame: Any) -> None:
            if callable(inner):
                inner(number, frame)
            self._execution.stop()

        signal.signal(signal.SIGTERM, stop)

    def _check_cancelled(self) -> None:
        if self._context.is_cancelled():
            raise Cancelled("the notebook was interrupted")

    def _progress(self, done: int, total: int, index: int) -> None:
        from executors.notebook.document import title_of

        self._check_cancelled()
        self._desk.pass_on()
        self._show(done, f"cell {done + 1} of {total}: {title_of(self._notebook, index)}")

    def _show(self, done: int, message: str) -> None:
        total = len(self._execution.code)
        self._context.progress(0.95 * done / max(1, total), message, current=done, total=total, unit="cells")

    def _failed(self, error: Any) -> TaskError:
        """Keep the partial notebook with its mark, and say what failed."""
        failure = describe_failure(error, self._context.entrypoint, len(self._execution.cells))
        self._keep("failed", failure.message)
        self._context._control.send("result", value=self._so_far)
        return failure

    def _stopped(self) -> Cancelled:
        """The same of a run that was cancelled, or that went beyond a cap."""
        self._keep("was stopped", "It was cancelled, or went beyond a cap.")
        return Cancelled("the notebook was interrupted")

    def _keep(self, verb: str = "", why: str = "") -> None:
        """Upload the notebook and its page, without secrets, and what cells kept."""
        import nbformat

        from executors.notebook.document import mark, scrubbed
        from executors.notebook.render import to_html

        if verb:
            mark(self._notebook, self._execution.index, verb, html.escape(why))
        notebook = scrubbed(self._notebook, redactor_of(self._context))
        self._context.artifact(self._path.name, nbformat.writes(notebook), "file", NOTEBOOK_MEDIA_TYPE)
        self._desk.pass_on()
        done = sum(cell["status"] == "ok" for cell in self._execution.cells)
        self._show(done, f"{done} of {len(self._execution.code)} cells done; rendering the page")
        self._context.artifact(f"{self._path.stem}.html", to_html(notebook, self._path.stem), "report", "text/html")


class Desk:
    """Where the kernel leaves messages for the run."""

    def __init__(self, context: Context) -> None:
        self._context, self._path = context, context.work_dir / MESSAGES
        self._read = 0
        self._publications: list[dict[str, Any]] = []

    def pass_on(self) -> None:
        """Send on what has come: artifacts and metrics at once, publications by :meth:`publish`."""
        for message in self._news():
            kind = message.pop("type")
            if kind == "artifact":
                self._context.artifact(message["name"], Path(message["path"]), message["kind"], message["media_type"])
            elif kind == "metric":
                self._context.metric(message["name"], message["value"])
            else:
                self._publications.append(message)

    def publish(self) -> dict[str, int]:
        """Send on what was published: rows by output."""
        for message in self._publications:
            self._context.send_publication(message)
        return {message["output"]: message["rows"] for message in self._publications}

    def _news(self) -> list[dict[str, Any]]:
        """Whole lines only: a kernel can be killed while it writes one."""
        if not self._path.exists():
            return []
        with self._path.open("rb") as file:
            file.seek(self._read)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._read += len(whole)
        return [json.loads(line) for line in whole.splitlines()]


def redactor_of(context: Context) -> Redactor:
    """Knows the secrets of the run's connections, as a page or a source may spell them."""
    secrets = secrets_in(context.connections)
    return Redactor(spelling for secret in secrets for spelling in spellings(secret))


def describe_failure(error: Any, file: str, cell: int) -> TaskError:
    """The error of a failed cell or a dead kernel. cell: its number, from 1."""
    position: dict[str, Any] = {"file": file, "cell": cell}
    if not hasattr(error, "ename"):
        failure_class, code, why = describe_death(error.exit_code)
        return TaskError(failure_class, code, f"cell {cell}: {why}", trace=why, position=position)
    failure_class, code = classify_name(error.ename, error.evalue)
    message = f"{error.ename}: {error.evalue}"
    if (own := OWN_ERROR.match(error.evalue)) and error.ename == "ControlRoomError":
        failure_class, code, message = own.groups()
    trace, where = plain(error.traceback), f"cell {cell}"
    if line := line_in_cell(error.source, trace):
        position, where = position | {"line": line}, f"{where}, line {line}"
    return TaskError(failure_class, code, f"{where}: {plain(message)}", trace=trace, position=position)


def classify_name(ename: str, evalue: str) -> tuple[str, str]:
    """(class, code) of an exception of which the kernel tells no more than its name and its text."""
    found = ERRNO.match(evalue)
    number = int(found.group(1)) if found else 0
    if ename == "MemoryError":
        return "resources", "out_of_memory"
    if number in FULL_ERRNOS:
        return "resources", "disk_full" if number in DISK_FULL_ERRNOS else "system_limit"
    if ename in NETWORK_ERRORS or number in NETWORK_ERRNOS:
        return "external", "connection_failed"
    if ename in STORE_ERRORS and any(word in evalue.lower() for word in NETWORK_WORDS):
        return "external", "connection_failed"
    return "user", snake(ename)


def describe_death(exit_code: int | None) -> tuple[str, str, str]:
    """(class, code, text) of a kernel that ended by itself or was killed."""
    if exit_code == -signal.SIGKILL:
        text = "the kernel was killed while the cell ran, most likely because memory ran out; read less data at a time"
        return "resources", "kernel_killed", text
    if exit_code is None:
        return "internal", "kernel_lost", "the kernel stopped answering while the cell ran"
    if exit_code < 0:
        name = signal.Signals(-exit_code).name
        return (
            "user",
            "kernel_crashed",
            f"the kernel crashed with {name} while the cell ran, most likely in native code",
        )
    return "user", "kernel_exited", f"the kernel left with exit code {exit_code} while the cell ran"


def keep_home_clean(work_dir: Path) -> None:
    """Point every folder of Jupyter and IPython into the work folder, for this process too."""
    sys.dont_write_bytecode = True
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
        os.environ[name] = str(work_dir / ".jupyter" / name.lower())


def plain(text: str) -> str:
    """Text without terminal colours."""
    return ANSI.sub("", text)


def snake(name: str) -> str:
    """``ZeroDivisionError`` -> ``zero_division_error``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


if __name__ == "__main__":
    run_child(body)
