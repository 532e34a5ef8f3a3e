"""Notebook runs as an operator sees them: what is kept of one that goes beyond a cap, or is cancelled."""

from __future__ import annotations

import json
from typing import Any

import nbformat
import pytest

from executors.notebook.client import CUT_NOTE, KEPT_CHARACTERS
from tests.executors.room import Json, Room, ledger, wait_for

SLEEP = "import threading\nprint('it sleeps')\nthreading.Event().wait()"
EAT = "print('it eats')\nheld = []\nwhile True:\n    held.append(bytearray(b'x') * 20_000_000)"
# Out of the kernel's session, deaf to SIGTERM: a cap must not wait for it.
EAT_AS_DAEMON = (
    "import os, signal, time\nprint('it hides', flush=True)\nif os.fork() == 0:\n    os.setsid()\n"
    "    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n    held = []\n"
    "    while True:\n        held.append(bytearray(b'x') * 20_000_000)\nwhile True:\n    time.sleep(60)"
)
TALK = "print('it talks')\nwhile True:\n    print('blah ' * 2000)"


def book(*cells: str) -> dict[str, str]:
    code = [nbformat.v4.new_code_cell(source) for source in cells]
    return {"work.ipynb": nbformat.writes(nbformat.v4.new_notebook(cells=code))}


def submit(room: Room, *cells: str, **spec: Any) -> str:
    return room.submit(book(*cells), "work.ipynb", kind="notebook", **spec)


def assert_kept(room: Room, run_id: str, marked: str, printed: str) -> None:
    """The partial notebook and its page, with the cell marked."""
    found = room.artifacts(run_id)
    assert set(found) == {"work.ipynb", "work.html"}
    notebook = nbformat.reads(found["work.ipynb"].decode(), as_version=4)
    (cell,) = [cell for cell in notebook.cells if "failed" in cell.metadata.get("tags", [])]
    assert marked in cell.source
    assert printed in json.dumps(notebook)
    assert b'id="failed-cell"' in found["work.html"]
    assert printed.encode() in found["work.html"]


@pytest.mark.parametrize(
    ("cap", "limit", "cell", "printed"),
    [
        pytest.param("wall_seconds", 30, SLEEP, "it sleeps", id="wall"),
        pytest.param("memory_bytes", 600_000_000, EAT, "it eats", id="memory"),
        pytest.param("memory_bytes", 600_000_000, EAT_AS_DAEMON, "it hides", id="memory-of-a-daemon"),
        pytest.param("log_bytes", 200_000, TALK, "it talks", id="log"),
    ],
)
def test_a_notebook_beyond_a_cap_is_kept_with_the_cell_that_ran(
    control_room: Room, cap: str, limit: int, cell: str, printed: str
) -> None:
    control_room.executor("notebook")
    run_id = submit(control_room, "print('first')", cell, caps={cap: limit}, retry={"max_attempts": 1})
    run = control_room.ended(run_id, 120)
    assert (run["state"], run["error"]["class"], run["error"]["code"]) == ("failed", "resources", "cap_exceeded")
    entry = ledger(control_room, run)
    assert (entry["cap"], float(entry["limit"])) == (cap, limit)
    assert entry["overshoot_ms"] < 3000, "the code ends at once, only what it left is kept after that"
    assert_kept(control_room, run_id, cell.splitlines()[-1], printed)
    for content in control_room.artifacts(run_id).values():
        assert len(content) < 2 * KEPT_CHARACTERS, "until the cap is noticed a cell prints hundreds of megabytes"
        assert (CUT_NOTE.strip().encode() in content) == (cap == "log_bytes")


def test_a_cancelled_notebook_is_kept_with_the_cell_that_ran(control_room: Room) -> None:
    control_room.executor("notebook")
    run_id = submit(control_room, "print('first')", SLEEP)
    shown: Json = wait_for(
        "the second cell",
        lambda: (r := control_room.run(run_id))["progress"] and "cell 2 of 2" in r["progress"]["message"] and r,
        60,
    )
    assert (shown["progress"]["current"], shown["progress"]["total"], shown["progress"]["unit"]) == (1, 2, "cells")
    wait_for("its output", lambda: "it sleeps" in control_room.logged(run_id))
    control_room.call("cancel_run", control_room.operator, run_id, {"reason": "seen enough"})
    assert control_room.ended(run_id)["state"] == "cancelled"
    assert_kept(control_room, run_id, "Event().wait()", "it sleeps")
