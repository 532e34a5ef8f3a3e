"""The command executor's child alone: the folder and the notes that a program leaves, whatever it made of them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.executors.child_harness import ChildRun, run_child
from tests.executors.room import Json

SHELL = "/bin/sh"


def child(folder: Path, text: str) -> ChildRun:
    """What the run's process says of a shell's text, in ``folder``/work."""
    argv = [SHELL, "-c", text]
    order: Json = {"program": argv[0], "argv": argv, "env": {}, "secret_names": [], "stdin": None, "exit_codes": [0]}
    order["container"] = None
    (folder / "work").mkdir()
    return run_child("command", {"run_id": "r", "epoch": 1, "work_dir": str(folder / "work"), "command": order})


def test_a_folder_outputs_that_became_a_link_gives_neither_files_nor_a_result(tmp_path: Path) -> None:
    host = tmp_path / "host"
    host.mkdir()
    (host / "key.txt").write_text("of the host")
    (host / "result.json").write_text('{"key": "of the host"}')
    run = child(tmp_path, f"rmdir outputs; ln -s {host} outputs")
    assert (run.error["class"], run.error["code"]) == ("user", "outputs_linked")
    assert "of the host" not in json.dumps(run.messages) + run.output
    assert run.artifacts == {}


def test_files_are_staged_in_a_folder_of_ours_whatever_the_program_put_in_its_place(tmp_path: Path) -> None:
    host = tmp_path / "work" / "elsewhere"
    run = child(tmp_path, f"mkdir -p {host}; rm -rf .artifacts; ln -s {host} .artifacts; echo x > outputs/x")
    assert run.artifacts == {"x": b"x\n"}
    assert list(host.iterdir()) == []


@pytest.mark.parametrize("make", ["ln -s {host} notes.jsonl", "mkfifo notes.jsonl", "mkdir notes.jsonl"])
def test_notes_that_are_no_plain_file_are_not_read(tmp_path: Path, make: str) -> None:
    host = tmp_path / "shadow"
    host.write_text('root:hash\n{"metric": "stolen", "value": 1}\n')
    run = child(tmp_path, make.format(host=host))
    assert run.result == {"exit_code": 0}
    assert "root:hash" not in json.dumps(run.messages) + run.output
    assert run.of("metric") == []


def test_a_line_that_is_too_long_is_left_out_and_the_notes_after_it_count(tmp_path: Path) -> None:
    note = '{"metric": "rows", "value": 7}'
    run = child(tmp_path, f"head -c 3500000 /dev/zero > notes.jsonl; echo >> notes.jsonl; echo '{note}' >> notes.jsonl")
    assert [message["value"] for message in run.of("metric")] == [7]
    assert json.dumps(run.messages).count("is neither progress nor a metric") == 1


def test_more_files_than_a_run_may_have_are_named_and_the_first_are_kept(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", "for i in range(1001): open(f'outputs/{i:04}', 'w').close()"]
    order: Json = {"program": argv[0], "argv": argv, "env": {}, "secret_names": [], "stdin": None, "exit_codes": [0]}
    order["container"] = None
    (tmp_path / "work").mkdir()
    run = run_child("command", {"run_id": "r", "epoch": 1, "work_dir": str(tmp_path / "work"), "command": order})
    assert (run.error["class"], run.error["code"]) == ("user", "too_many_outputs")
    assert len(run.artifacts) == 1000
