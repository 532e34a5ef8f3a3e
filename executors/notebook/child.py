"""The process of one notebook run: parameters in, cells executed one by one, notebook and HTML out.

Both files are artifacts, also of a failed run (with the failing cell marked). What the notebook published counts only
when every cell succeeded.
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

from executors.notebook.kernel import MESSAGES
from executors.runtime.child import Cancelled, Context, run_child
from executors.runtime.failures import TaskError

ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
OWN_ERROR = re.compile(r"^(user|external|internal|resources)/(\w+): (.*)$", re.DOTALL)
NETWORK_ERRORS = frozenset(
    {
        "BrokenPipeError",
        "ConnectError",
        "ConnectTimeout",
        "ConnectionAbortedError",
        "ConnectionError",
        "ConnectionRefusedError",
        "ConnectionResetError",
        "EndpointConnectionError",
        "ReadTimeout",
        "gaierror",
    }
)
NOTEBOOK_MEDIA_TYPE = "application/x-ipynb+json"


def body(context: Context) -> dict[str, Any]:
    """Execute the entrypoint's notebook.

    Returns ``{"notebook", "html", "cells": [{"index", "seconds", "status"}], "published": {output: rows}}``; an index
    counts the cells of the executed notebook, the injected one included.
    """
    keep_home_clean(context.work_dir)
    from executors.notebook import document  # the Jupyter libraries read their folders at import

    path = document.notebook_path(context.bundle_dir, context.entrypoint)
    notebook = document.with_parameters(document.read_notebook(path, context.entrypoint), context.params)
    return NotebookRun(context, notebook, path).execute()


class NotebookRun:
    """One execution, and the files it leaves."""

    def __init__(self, context: Context, notebook: Any, path: Path) -> None:
        from executors.notebook.client import Execution

        self._context, self._notebook, self._path = context, notebook, path
        self._execution = Execution(notebook, context.job, path.parent)
        self._result: dict[str, Any] = {"notebook": path.name, "html": f"{path.stem}.html", "cells": []}

    def execute(self) -> dict[str, Any]:
        from executors.notebook.client import CellFailedError, KernelDiedError

        self._stop_on_sigterm()
        try:
            self._execution.run(self._progress)
        except (CellFailedError, KernelDiedError) as error:
            self._check_cancelled()
            raise self._failed(error) from None
        except RuntimeError:  # the kernel was killed before it was ready
            self._check_cancelled()
            raise
        self._keep()
        return self._result | {"cells": self._execution.cells, "published": self._pass_on()}

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

    def _progress(self, done: int, total: int, cell: Any) -> None:
        self._check_cancelled()
        line = next((text for text in cell.source.splitlines() if text.strip()), "")
        message = f"cell {done + 1} of {total}: {line.strip()[:80]}"
        self._context.progress(0.95 * done / total, message, current=done, total=total, unit="cells")

    def _failed(self, error: Any) -> TaskError:
        """Keep the partial notebook with its mark, and say what failed."""
        from executors.notebook.document import mark_failure

        failure = describe_failure(error, self._context.entrypoint)
        mark_failure(self._notebook, error.cell, html.escape(failure.message))
        self._keep()
        self._context._control.send("result", value=self._result | {"cells": self._execution.cells})
        return failure

    def _keep(self) -> None:
        """Upload the notebook and its page."""
        import nbformat

        from executors.notebook.render import to_html

        text = nbformat.writes(self._notebook)
        self._context.artifact(self._path.name, text, "file", NOTEBOOK_MEDIA_TYPE)
        self._context.progress(message="rendering the report")
        self._context.artifact(
            f"{self._path.stem}.html", to_html(self._notebook, self._path.stem), "report", "text/html"
        )

    def _pass_on(self) -> dict[str, int]:
        """Send on what the kernel published and kept."""
        path = self._context.work_dir / MESSAGES
        published = {}
        for line in path.read_text("utf-8").splitlines() if path.exists() else []:
            message = json.loads(line)
            kind = message.pop("type")
            if kind == "artifact":
                self._context.artifact(message["name"], Path(message["path"]), message["kind"], message["media_type"])
            elif kind == "metric":
                self._context.metric(message["name"], message["value"])
            else:
                self._context.send_publication(message)
                published[message["output"]] = message["rows"]
        return published


def describe_failure(error: Any, file: str) -> TaskError:
    """The error of a failed cell or a dead kernel."""
    position = {"file": file, "cell": error.cell}
    if not hasattr(error, "ename"):
        failure_class, code, why = describe_death(error.exit_code)
        return TaskError(failure_class, code, f"cell {error.cell}: {why}", trace=why, position=position)
    failure_class, code, message = "user", snake(error.ename), f"{error.ename}: {error.evalue}"
    if error.ename == "MemoryError":
        failure_class, code = "resources", "out_of_memory"
    elif error.ename in NETWORK_ERRORS:
        failure_class, code = "external", "connection_failed"
    elif (own := OWN_ERROR.match(error.evalue)) and error.ename == "ControlRoomError":
        failure_class, code, message = own.groups()
    return TaskError(
        failure_class, code, f"cell {error.cell}: {plain(message)}", trace=plain(error.traceback), position=position
    )


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
