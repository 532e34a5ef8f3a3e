"""The conformance kit's workload as a notebook: its cells do it, in a kernel, as those of any run. See
:mod:`contract.conformance.workload`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

DRILL = "conformance:run"
FILE = "conformance.ipynb"

LINES = """\
from executors.notebook import kernel as control_room

asked = control_room.params
lines, size = int(asked.get("lines", 0)), int(asked.get("artifact_bytes", 0))
for number in range(1, lines + 1):
    print(f"line {number} of {lines} \\u2013 gr\\u00fc\\u00dfe", flush=True)"""
ARTIFACT = """\
if size:
    control_room.artifact("conformance.bin", bytes(i % 251 for i in range(size)))"""
WORK = """\
import time

end = time.monotonic() + float(asked.get("sleep_seconds", 0))
while (left := end - time.monotonic()) > 0:
    print("tick", flush=True)
    time.sleep(min(0.2, left))"""
FAIL = """\
if asked.get("fail"):
    raise control_room.ControlRoomError(f"{asked['fail']}/asked_to_fail: the conformance kit asked for this")"""


def write_notebook(folder: Path) -> Path:
    """Put the workload's notebook into ``folder``; returns its path."""
    from nbformat import v4

    path = folder / FILE
    cells = [v4.new_code_cell(source) for source in (LINES, ARTIFACT, WORK, FAIL)]
    path.write_text(v4.writes(v4.new_notebook(cells=cells)), "utf-8")
    return path


def result_of(params: dict[str, Any]) -> dict[str, Any]:
    """What the kit expects of a run that succeeded."""
    return {name: int(params.get(name, 0)) for name in ("lines", "artifact_bytes")}
