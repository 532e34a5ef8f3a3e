"""A server that runs code of runs is started confined."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from executors.runtime import sandbox

pytestmark = pytest.mark.skipif(sandbox.landlock_abi() == 0, reason="this kernel has no Landlock")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "executors.runtime.confined", *arguments]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60)


def test_it_reads_nothing_hidden_and_writes_in_its_own_folder_alone(tmp_path: Path) -> None:
    for name in ("secrets", "own"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    hidden, own = str(tmp_path / "secrets"), str(tmp_path / "own")
    script = f"cat {hidden}/file; cat {own}/file; echo new > {own}/new; echo new > {tmp_path}/elsewhere"
    done = run(hidden, own, own, "/bin/sh", "-c", script)
    assert done.stdout == "own"
    assert "confined by landlock" in done.stderr
    assert (tmp_path / "own" / "new").exists()
    assert not (tmp_path / "elsewhere").exists()


def test_it_becomes_the_program_and_ends_with_its_exit_code(tmp_path: Path) -> None:
    lists = (str(tmp_path), os.pathsep.join([sys.prefix, sys.base_prefix]), str(tmp_path))
    assert run(*lists, "/bin/sh", "-c", "exit 7").returncode == 7
    assert run(*lists).returncode == 2
