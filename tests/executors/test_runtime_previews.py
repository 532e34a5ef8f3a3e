"""What runs tell of the files that they leave reaches the control room, without secrets, and never at a run's cost."""

from __future__ import annotations

from typing import Any

from tests.executors.room import Json, Room

FILES = """
import io, struct
import pyarrow as pa, pyarrow.parquet as pq

def main(context):
    secret = context.connections["lakehouse"]["secret_key"]
    sink = io.BytesIO()
    pq.write_table(pa.table({"id": list(range(500)), "name": ["x"] * 500}), sink)
    context.artifact("t.parquet", sink.getvalue())
    context.artifact("t.csv", "id,name\\n1," + secret + "\\n2,b\\n")
    png = bytes([137]) + b"PNG\\r\\n" + bytes([26, 10]) + struct.pack(">I4sII", 13, b"IHDR", 8, 9)
    context.artifact("p.png", png)
    context.artifact("r.html", "<title>Delays</title>", kind="report")
    context.artifact("m.json", '{"loss": 0.5}', kind="metrics")
    context.artifact("broken.parquet", "PAR1 and no more")
    context.artifact("x.bin", bytes(100))
"""
FORGED = """
def main(context):
    for n, told in enumerate(("text", [1], {"type": "table", "page": ["x" * 100_000]}, {str(m): m for m in range(99)})):
        path = context.work_dir / f"f{n}"
        path.write_bytes(b"x")
        context._control.send("artifact", name=f"f{n}", path=str(path), kind="file", media_type="a/b", preview=told)
"""


def previews(room: Room, run: Json) -> dict[str, Any]:
    with room.database.connect() as connection:
        found = connection.execute("select name, preview from ops.artifacts where run_id = %s", [run["run_id"]])
        return dict(found.fetchall())


def test_files_are_told_of_by_kind(control_room: Room) -> None:
    control_room.executor()
    run = control_room.ended(control_room.submit({"task.py": FILES}, connections=["lakehouse"]))
    assert run["state"] == "succeeded", run["error"]
    told = previews(control_room, run)
    assert {name: told[name] and told[name]["type"] for name in told} == {
        **{"t.parquet": "table", "t.csv": "table", "p.png": "image", "r.html": "html", "m.json": "metrics"},
        **{"broken.parquet": None, "x.bin": None},
    }
    assert (told["t.parquet"]["rows"], len(told["t.parquet"]["page"])) == (500, 100)
    assert (told["p.png"]["width"], told["p.png"]["height"]) == (8, 9)
    assert told["r.html"]["title"] == "Delays"
    assert told["m.json"]["values"] == {"loss": 0.5}
    assert told["t.csv"]["page"][1] == ["2", "b"]
    assert control_room.store.secret_key not in str(told)


def test_what_user_code_forges_is_left_out_and_its_files_are_kept(control_room: Room) -> None:
    control_room.executor()
    run = control_room.ended(control_room.submit({"task.py": FORGED}))
    assert run["state"] == "succeeded", run["error"]
    assert previews(control_room, run) == dict.fromkeys(("f0", "f1", "f2", "f3"))
