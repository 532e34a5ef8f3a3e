"""What tests leave on the machine: nothing, however their process ended."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support import scratch

HOLDER = """
import sys
from tests.support import scratch
folder = scratch.make("room-", sys.argv[1])
(folder / "data").mkdir()
(folder / "data" / "file").write_text("x")
print(folder, flush=True)
sys.stdin.read()
"""


def holder(parent: Path) -> tuple[subprocess.Popen[str], Path]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(parent)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout
    return process, Path(process.stdout.readline().strip())


def test_a_folder_of_a_killed_process_is_deleted_by_the_next_and_one_of_a_living_process_stays(tmp_path: Path) -> None:
    (dead, left), (alive, kept) = holder(tmp_path), holder(tmp_path)
    try:
        dead.kill()
        dead.communicate()
        forgotten: list[Path] = []
        mine = scratch.make("room-", str(tmp_path), forgotten.append)
        assert (left.exists(), (kept / "data" / "file").exists(), mine.exists()) == (False, True, True)
        assert forgotten == [left]
        scratch.remove(mine)
        assert not mine.exists()
    finally:
        alive.kill()
        alive.communicate()
