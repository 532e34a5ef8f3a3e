"""Executes a notebook in a kernel of this Python: no installed kernelspec, no history, nothing written to HOME."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError

from executors.notebook.document import stamp
from executors.notebook.kernel_main import JOB_VARIABLE

KERNEL_NAME = "control-room"
STARTUP_SECONDS = 120
ALIVE_SECONDS = 0.05
KEPT_CHARACTERS = 2**22
CUT_NOTE = f"[cut: of what a cell prints, its notebook keeps the first {KEPT_CHARACTERS >> 20} Mi characters]\n"
Progress = Callable[[int, int, int], None]  # cells done, cells in all, index of the next one


class KernelDiedError(Exception):
    """The kernel ended in a cell. ``exit_code``: as subprocess has it (negative: signal), or None."""

    def __init__(self, exit_code: int | None) -> None:
        super().__init__("the kernel died")
        self.exit_code = exit_code


class CellFailedError(Exception):
    """A cell raised. ``ename``, ``evalue``, ``traceback`` (text) as the kernel gave them, ``source`` of the cell."""

    def __init__(self, ename: str, evalue: str, traceback: str, source: str) -> None:
        super().__init__(f"{ename}: {evalue}")
        self.ename, self.evalue, self.traceback, self.source = ename, evalue, traceback, source


class LiveClient(NotebookClient):  # type: ignore[misc]  # nbclient's types are not followed
    """Also sends what cells print to this process's stdout and stderr, while they print it.

    The notebook keeps ``KEPT_CHARACTERS`` of what a cell prints, in whole lines. A kernel prints hundreds of megabytes
    before a cap on the log is noticed, and neither notebook nor page could be written in the time that is left then.
    """

    def __init__(self, notebook: Any, **settings: Any) -> None:
        super().__init__(notebook, **settings)
        self.over = False  # the kernel was killed: the log, too, takes no more of what still comes than is kept
        self._cell, self._kept, self._full = -1, 0, False

    def process_message(self, msg: Any, cell: Any, cell_index: int) -> Any:
        if msg["msg_type"] == "clear_output" or cell_index != self._cell:
            self._cell, self._kept, self._full = cell_index, 0, False
        if msg["msg_type"] == "stream":
            content = msg["content"]
            kept = self._keep(content["text"])
            target = sys.stderr if content["name"] == "stderr" else sys.stdout
            target.write(kept if self.over else content["text"])
            target.flush()
            if not kept:
                return None
            content["text"] = kept
        return super().process_message(msg, cell, cell_index)

    async def _async_poll_kernel_alive(self) -> None:
        """As nbclient's, which looks once a second: for so long would a run that is stopped wait for its cell."""
        while True:
            await asyncio.sleep(ALIVE_SECONDS)
            try:
                await self._async_check_alive()
            except DeadKernelError:
                assert self.task_poll_for_reply is not None
                self.task_poll_for_reply.cancel()
                return

    def _keep(self, text: str) -> str:
        """What the notebook keeps of it."""
        if self._full:
            return ""
        room = KEPT_CHARACTERS - self._kept
        if len(text) <= room:
            self._kept += len(text)
            return text
        self._full = True
        # Half a line may hold half a secret, which nobody finds any more.
        return text[: text.rfind("\n", 0, room) + 1] + CUT_NOTE


class Execution:
    """One execution of a notebook, in place.

    ``cells``: ``{"cell", "seconds", "status"}`` of each that ran. Cells are counted as the page shows them, ``In [1]``
    is cell 1: those with code, the injected one included. ``index``: where in the notebook the one at work stands.
    """

    def __init__(self, notebook: Any, job: Mapping[str, Any], folder: Path) -> None:
        self._notebook, self._job, self._folder = notebook, job, folder
        self._private = Path(job["work_dir"]) / ".jupyter"
        self._manager: Any = None
        self._client: LiveClient | None = None
        self.cells: list[dict[str, Any]] = []
        self.code = code_cells(notebook)
        self.index: int | None = None

    def run(self, progress: Progress) -> None:
        """Execute every code cell; raises CellFailedError or KernelDiedError, with outputs so far in the notebook."""
        self._private.mkdir(mode=0o700, exist_ok=True)
        self._manager = self._new_manager()
        client = self._client = LiveClient(
            self._notebook, km=self._manager, timeout=None, startup_timeout=STARTUP_SECONDS
        )
        for index in self.code:
            stamp(self._notebook.cells[index], "pending")
        try:
            client.start_new_kernel(cwd=str(self._folder), env=self._environment())
            client.start_new_kernel_client()
            for done, index in enumerate(self.code):
                progress(done, len(self.code), index)
                self._run_cell(client, index)
        finally:
            self.stop()
            client._cleanup_kernel()

    def stop(self) -> None:
        """Kill the kernel with what it started; from a signal handler too: a cell that runs then ends as died."""
        if self._client is not None:
            self._client.over = True
        if self._manager is not None:
            kill_kernel(self._manager)

    def _run_cell(self, client: Any, index: int) -> None:
        started, status = time.monotonic(), "failed"
        self.index, cell = index, self._notebook.cells[index]
        try:
            client.execute_cell(cell, index)
            check_outputs(cell)
            status = "ok"
        except CellExecutionError as error:
            text = "\n".join(traceback_of(cell)) or error.traceback
            raise CellFailedError(error.ename, error.evalue, text, cell.source) from None
        except DeadKernelError:
            raise KernelDiedError(exit_code(self._manager)) from None
        finally:
            seconds = round(time.monotonic() - started, 3)
            self.cells.append({"cell": len(self.cells) + 1, "seconds": seconds, "status": status})
            stamp(cell, "completed" if status == "ok" else "failed", seconds)
        self.index = None

    def _new_manager(self) -> Any:
        spec = self._private / "kernels" / KERNEL_NAME
        spec.mkdir(parents=True, exist_ok=True)
        # Beside a run no one needs what was typed: no history file, not even in memory.
        argv = [sys.executable, "-m", "executors.notebook.kernel_main", "-f", "{connection_file}"]
        argv.append("--HistoryManager.enabled=False")
        document: dict[str, Any] = {"argv": argv, "display_name": "Python (control room)", "language": "python"}
        document["metadata"] = {"supported_encryption": "curve"}
        (spec / "kernel.json").write_text(json.dumps(document))
        return AsyncKernelManager(
            kernel_name=KERNEL_NAME,
            connection_file=str(self._private / "connection.json"),
            # Other users of the machine can reach loopback ports.
            transport_encryption="required",
            kernel_spec_manager=KernelSpecManager(
                kernel_dirs=[str(self._private / "kernels")], ensure_native_kernel=False
            ),
        )

    def _environment(self) -> dict[str, str]:
        """The kernel's environment: this process's, which is scrubbed, with every Jupyter folder in the work folder."""
        path = self._private / "job.json"
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(dict(self._job), file)
        names = ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "MPLCONFIGDIR")
        folders = {name: str(self._private / name.lower()) for name in names}
        inline = {"MPLBACKEND": "module://matplotlib_inline.backend_inline", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
        return dict(os.environ) | folders | inline | {JOB_VARIABLE: str(path)}


def code_cells(notebook: Any) -> list[int]:
    """Where the cells stand that are executed."""
    return [index for index, cell in enumerate(notebook.cells) if cell.cell_type == "code" and cell.source.strip()]


def process_of(manager: Any) -> Any:
    """The kernel's Popen, or None before its start and after its end was collected."""
    return getattr(manager.provisioner, "process", None)


def exit_code(manager: Any) -> int | None:
    process = process_of(manager)
    return None if process is None else process.poll()


def kill_kernel(manager: Any) -> None:
    """Kill the kernel's process group: its work is over, and a polite shutdown would wait for it."""
    process = process_of(manager)
    if process is not None and process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)


def check_outputs(cell: Any) -> None:
    """CellFailedError where the kernel says ok of a cell that shows an exception, as below ``%%capture``.

    A cell may be tagged ``raises-exception``, as for Jupyter's own tools; what it shows is wanted then.
    """
    if "raises-exception" in cell.metadata.get("tags", []):
        return
    for output in cell.get("outputs", []):
        if output.output_type == "error":
            raise CellFailedError(output.ename, output.evalue, "\n".join(output.traceback), cell.source)


def traceback_of(cell: Any) -> list[str]:
    for output in cell.get("outputs", []):
        if output.output_type == "error":
            return list(output.traceback)
    return []
