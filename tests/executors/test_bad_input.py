"""What users get wrong, and what goes wrong under them: the run ends with its class and a message to act on, its log is
there, and the executor does the next run. The command executor's list is in test_command_runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import nbformat
import pytest

from tests.executors.room import Json, Room

NOWHERE = "import socket\n{}socket.create_connection(('127.0.0.1', 1))\n"
REFUSED = (
    "import boto3\n{0}s3 = boto3.client('s3', endpoint_url='ENDPOINT', region_name='us-east-1',\n"
    "{0}    aws_access_key_id='nobody', aws_secret_access_key='wrong-secret')\n"
    "{0}s3.list_objects_v2(Bucket='lakehouse')\n"
)
FULL = "with open('/dev/full', 'w') as file:\n{0}    file.write('x')\n"
SEGFAULT = "import os, signal\n{0}os.kill(os.getpid(), signal.SIGSEGV)\n"
EXIT = "import os\n{0}os._exit(0)\n"
KILL = "import os, signal\n{0}os.kill(os.getpid(), signal.SIGKILL)\n"
ONCE: Json = {"max_attempts": 1}


@dataclass(frozen=True)
class Case:
    """``logs``: whether the code began, and printed ``before``. ``kept``: names of its artifacts."""

    files: dict[str, str]
    failure_class: str
    code: str
    says: str
    logs: bool = True
    kept: frozenset[str] = frozenset()
    spec: Json = field(default_factory=dict)


def task(body: str, failure_class: str, code: str, says: str, **more: Any) -> Case:
    """A Python function with this body, after it has printed and kept a file."""
    begin = "def main(context):\n    print('before')\n    context.artifact('early.txt', 'kept')\n    "
    text = begin + body.replace("{0}", "    ").replace("{}", "    ")
    return Case({"task.py": text}, failure_class, code, says, **{"kept": frozenset({"early.txt"}), **more})


def unfit(files: dict[str, str], code: str, says: str, **spec: Any) -> Case:
    return Case(files, "user", code, says, logs=False, spec=spec)


PYTHON = {
    "exception": task("raise ValueError('no rows for May')", "user", "value_error", "ValueError: no rows for May"),
    "nobody-listens": task(NOWHERE, "external", "connection_failed", "Connection refused"),
    "store-refuses": task(REFUSED, "external", "connection_failed", "InvalidAccessKeyId"),
    "disk-full": task(FULL, "resources", "disk_full", "make room there"),
    "no-memory": task("raise MemoryError", "resources", "out_of_memory", "MemoryError"),
    "segfault": task(SEGFAULT, "user", "crashed", "SIGSEGV"),
    "killed": task(KILL, "internal", "child_killed", "SIGKILL"),
    "left": task(EXIT, "user", "result_missing", "let the task return"),
    "no-json": task("return {'x': object()}", "user", "result_not_json", "return numbers, texts"),
    "no-param": Case({"task.py": "def main(context, year): ...\n"}, "user", "params_missing", "'year'", logs=False),
    "syntax": Case({"task.py": "def main(:\n"}, "user", "syntax_error", "invalid syntax", logs=False),
    "no-module": unfit({"other.py": ""}, "entrypoint_missing", "no module task"),
    "path-outside": unfit({"../evil.py": "", "task.py": ""}, "bundle_invalid", "leads outside the bundle"),
    "entrypoint-outside": unfit({"task.py": ""}, "entrypoint_outside_bundle", "inside it", entrypoint="../x.py"),
}


def book(*cells: str) -> dict[str, str]:
    code = [nbformat.v4.new_code_cell(source.replace("{0}", "").replace("{}", "")) for source in cells]
    return {"task.ipynb": nbformat.writes(nbformat.v4.new_notebook(cells=code))}


def cell(source: str, failure_class: str, code: str, says: str, line: int = 1) -> Case:
    """A notebook whose second cell this is. line: of the cell, where it breaks; 0: its kernel is gone, nobody knows."""
    kept = frozenset({"task.ipynb", "task.html", "early.txt"})
    first = "from executors.notebook import kernel\nprint('before')\nkernel.artifact('early.txt', 'kept')"
    place = f"cell 2, line {line}: " if line else "cell 2: "
    return Case(book(first, source, "print('never')"), failure_class, code, place + says, kept=kept)


NOTEBOOK = {
    "exception": cell("raise ValueError('no rows for May')", "user", "value_error", "ValueError: no rows for May"),
    "syntax": cell("this is broken(", "user", "syntax_error", "SyntaxError"),
    "nobody-listens": cell(NOWHERE, "external", "connection_failed", "ConnectionRefusedError", 2),
    "store-refuses": cell(REFUSED, "external", "connection_failed", "ClientError", 4),
    "disk-full": cell(FULL, "resources", "disk_full", "OSError: [Errno 28]"),
    "no-memory": cell("raise MemoryError", "resources", "out_of_memory", "MemoryError"),
    "segfault": cell(SEGFAULT, "user", "kernel_crashed", "the kernel crashed with SIGSEGV", 0),
    "killed": cell(KILL, "resources", "kernel_killed", "the kernel was killed", 0),
    "left": cell(EXIT, "user", "kernel_exited", "the kernel left with exit code 0", 0),
    "no-notebook": unfit({"task.ipynb": "{ no json"}, "notebook_invalid", "no valid notebook"),
    "missing": unfit({"other.ipynb": "{}"}, "entrypoint_missing", "no file 'task.ipynb'"),
    "path-outside": unfit({"../evil.py": "", **book("1")}, "bundle_invalid", "leads outside the bundle"),
    "entrypoint-outside": unfit(book("1"), "entrypoint_outside_bundle", "inside it", entrypoint="../x.ipynb"),
}
KINDS = {
    "python": (PYTHON, "task:main", {"task.py": "def main(): ...\n"}),
    "notebook": (NOTEBOOK, "task.ipynb", book("1")),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_bad_input_ends_with_its_class_a_message_its_log_and_an_executor_that_goes_on(
    control_room: Room, kind: str
) -> None:
    cases, entrypoint, good = KINDS[kind]
    executor = control_room.executor(kind, slots="2")

    def submit(case: Case) -> str:
        spec = {"entrypoint": entrypoint, "kind": kind, "retry": ONCE, **case.spec}
        files = {name: text.replace("ENDPOINT", control_room.store.endpoint) for name, text in case.files.items()}
        return control_room.submit(files, **spec)

    runs = {name: submit(case) for name, case in cases.items()}
    for name, case in cases.items():
        run = control_room.ended(runs[name], 200)
        error = run["error"] or {"class": run["state"], "code": ""}
        assert (run["state"], error["class"], error["code"]) == ("failed", case.failure_class, case.code), (name, error)
        assert case.says in error["message"], (name, error)
        assert ("before" in control_room.logged(runs[name])) is case.logs, name
        assert set(control_room.artifacts(runs[name])) == case.kept, name
    assert executor.process.poll() is None
    again = control_room.submit(good, entrypoint, kind=kind)
    assert control_room.ended(again, 60)["state"] == "succeeded"
