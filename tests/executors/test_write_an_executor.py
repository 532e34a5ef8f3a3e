"""The executor of the how-to, as the page has it: it runs on a real control room, and passes the kit."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conformance.subjects import failures, judge
from tests.executors.room import ROOT, Room, wait_for

PAGE = ROOT / "spec" / "docs" / "how-to" / "write-an-executor.md"
QUICK = ("register", "run", "failure", "logs", "artifact", "cancel", "superseded", "claim-lost", "claimed-twice")
COUNT_FOREVER = "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The page's two files, where a reader would put them."""
    found = tmp_path / "mine"
    (found / "sqlite").mkdir(parents=True)
    for name, text in zip(("executor.py", "child.py"), blocks("python"), strict=True):
        (found / "sqlite" / name).write_text(text)
    return found


def test_it_is_as_short_as_the_page_says() -> None:
    lines = [line for block in blocks("python") for line in block.splitlines() if line.strip()]
    assert len(lines) <= 60


def test_runs_of_it_succeed_fail_and_are_cancelled(
    control_room: Room, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (sql,) = blocks("sql")
    with control_room.database.connect() as connection:
        connection.execute(sql)
    monkeypatch.setenv("PYTHONPATH", f"{folder}{os.pathsep}{ROOT}")
    control_room.executor("sqlite.executor")
    files = {
        "totals.sql": "create table t (x);\ninsert into t values (:year), (1);\nselect sum(x) from t;\n",
        "wrong.sql": "select 1;\nselect * from nowhere;\n",
        "long.sql": COUNT_FOREVER,
    }

    def submit(entrypoint: str) -> str:
        return control_room.submit(files, entrypoint, kind="sqlite", params={"year": 2013}, retry={"max_attempts": 1})

    good = control_room.ended(submit("totals.sql"))
    assert (good["state"], good["result"]) == ("succeeded", {"rows": [[2014]]}), good["error"]
    assert control_room.logged(good["run_id"]).splitlines()[-1] == "statement 3: 1 rows"
    assert set(control_room.artifacts(good["run_id"])) == {"run.sqlite"}
    bad = control_room.ended(submit("wrong.sql"))
    assert bad["error"]["message"] == "statement 2: no such table: nowhere"
    assert control_room.ended(submit("wrong.txt"))["error"]["code"] == "entrypoint_invalid"
    long = submit("long.sql")
    wait_for("its statement", lambda: control_room.run(long)["progress"])
    control_room.call("cancel_run", control_room.operator, long, {"reason": "seen enough"})
    assert control_room.ended(long)["state"] == "cancelled"


def test_it_passes_the_kit(folder: Path) -> None:
    command = ("env", f"PYTHONPATH={folder}{os.pathsep}{ROOT}", sys.executable, "-m", "executors.runtime.main")
    assert failures(judge((*command, "sqlite.executor"), *QUICK)) == {}


@pytest.mark.parametrize(
    ("module", "words"),
    [("nowhere.executor", "on PYTHONPATH"), ("json.decoder", "module json.decoder has no EXECUTOR")],
)
def test_a_module_that_is_no_executor_is_told(module: str, words: str) -> None:
    environment = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}
    command = [sys.executable, "-m", "executors.runtime.main", module]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, words in done.stderr) == (2, True), done.stderr
