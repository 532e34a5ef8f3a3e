"""Whatever code does with a secret of its connections, the control room and the executor's log hold none of it.

What code keeps as a file is its own affair: an artifact's bytes are what they are.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import nbformat
import pytest

from tests.executors.room import Json, Room

# With characters that JSON, Python and SQL would each spell in another way.
SECRET = 's3cr3t-7f3a9c&<kEy>"quoted"\\end'
HEAD = SECRET[:12]

PYTHON = """
def main(context, fails):
    import json, sys
    secret = context.connections["partner"]["secret_key"]
    print(secret); print("stderr", secret, file=sys.stderr); print(repr(secret)); print(json.dumps({"key": secret}))
    for half in (secret[:9], secret[9:]):
        sys.stdout.write(half); sys.stdout.flush()
    context.log(secret)
    context.progress(0.5, f"with {secret}")
    context.artifact("kept.txt", b"x", kind="file")
    if fails:
        raise ValueError(f"no such key: {secret}")
    return {"said": secret, "deep": [{secret: 1}]}
"""
CELL = """
import json, sys
from executors.notebook import kernel
secret = kernel._job["connections"]["partner"]["secret_key"]
print(secret); print("stderr", secret, file=sys.stderr); print(repr(secret)); print(json.dumps({"key": secret}))
if fails:
    raise ValueError(f"no such key: {secret}")
secret
"""
SHELL = 'printf "%s\\n" "$KEY"; printf "%s\\n" "$KEY" >&2; env; [ "$1" = false ] || exit 5'


def submit_python(room: Room, fails: bool) -> str:
    return room.submit({"task.py": PYTHON}, params={"fails": fails}, connections=["partner"])


def submit_notebook(room: Room, fails: bool) -> str:
    cells = [nbformat.v4.new_code_cell(CELL)]
    files = {"work.ipynb": nbformat.writes(nbformat.v4.new_notebook(cells=cells))}
    return room.submit(files, "work.ipynb", kind="notebook", params={"fails": fails}, connections=["partner"])


def submit_command(room: Room, fails: bool) -> str:
    argv = ["/bin/sh", "-c", SHELL, "name", str(fails).lower()]
    config = {"argv": argv, "env": {"KEY": {"secret": "partner.secret_key"}}}
    return room.submit({"README": "-"}, None, kind="command", config=config, connections=["partner"])  # type: ignore[arg-type]


def submit_duckdb(room: Room, fails: bool) -> str:
    literal = SECRET.replace("'", "''")
    wrong = "no_such_function" if fails else "trim"
    sql = f"select '{literal}' as leak; select {wrong}('{literal}') as x"
    return room.submit({"README": "-"}, None, kind="duckdb", config={"sql": sql}, connections=["partner"])  # type: ignore[arg-type]


def submit_dbt(room: Room, fails: bool) -> str:
    told = json.dumps(SECRET)
    function = "no_such_function" if fails else "upper"
    model = f"{{{{ log({told}, info=true) }}}}\nselect {function}({{{{ '$$' ~ {told} ~ '$$' }}}}) as x"
    files = {
        "dbt_project.yml": "name: plant\nversion: '1.0'\nprofile: plant\nmodel-paths: [models]\n",
        "models/told.sql": model,
    }
    spec: Json = {"kind": "dbt", "config": {"docs": False}, "lease_seconds": 20, "connections": ["partner"]}
    return room.submit(files, ".", **spec)


SUBMITS: dict[str, tuple[Callable[[Room, bool], str], Json]] = {
    "python": (submit_python, {}),
    "notebook": (submit_notebook, {}),
    "command": (submit_command, {"command_allow": "/bin/sh,bundle"}),
    "duckdb": (submit_duckdb, {}),
    "dbt": (submit_dbt, {}),
}


@pytest.mark.parametrize("fails", [False, True], ids=["succeeds", "fails"])
@pytest.mark.parametrize("kind", SUBMITS)
def test_a_secret_that_code_tells_through_every_door_is_nowhere(control_room: Room, kind: str, fails: bool) -> None:
    submit, settings = SUBMITS[kind]
    partner = {"kind": "s3", "endpoint": None, "root": "s3://partner", "access_key": "AKPARTNER", "secret_key": SECRET}
    control_room._write("connections.json", json.dumps({"partner": partner}))
    executor = control_room.executor(kind, **settings)
    run_id = submit(control_room, fails)
    run = control_room.ended(run_id, 120)
    assert run["state"] == ("failed" if fails else "succeeded"), run["error"]
    said = json.dumps(run) + "".join(item["text"] for item in logs(control_room, run_id))
    assert "***" in said, "it was told, and masked"
    assert control_room.tables_with(HEAD, but=("ops.templates",)) == []  # a template's text is its author's
    assert HEAD not in executor.log.read_text()


def logs(room: Room, run_id: str) -> list[Any]:
    items: list[Any] = room.call("run_logs", room.operator, run_id, {"limit": 1000})["items"]
    return items
