"""A trivial run on a warm Spark Connect server, from submit to its end."""

from __future__ import annotations

from control_room.engines import catalogue, findings
from tests.bench.executors.bench import OURS, Bench, Contender
from tests.bench.executors.room import Room

TRIVIAL = "Spark, trivial run on a warm server, submit to end (s)"
KEPT = "Spark, the same with plan and Parquet file kept (s)"
STATEMENT = "select 1 as one"
POLL_SECONDS = 0.1
SERVER = Contender(
    "Spark Connect",
    "the stack's warm server, a session for each run; the rows in the run's record",
    "",
)


def measure(bench: Bench) -> None:
    [engine] = catalogue.chosen(["spark"])
    if findings.package_version("pyspark") != engine.version:
        bench.leave_out("Spark", f"pyspark {engine.version} is not in this environment (extra spark)")
        return
    if catalogue.installed_at(engine) is None:
        bench.leave_out("Spark", "its jars are not installed; `control-room engines install spark`")
        return
    bench.meet(SERVER, Spark=engine.version)
    with Room(bench.folder / "spark", "spark=1", engine="spark") as room:
        plain = {"sql": STATEMENT, "read_only": True, "mode": "connect", "plan": False, "parquet": False}
        room.apply("bench-spark", {"kind": "spark", "config": plain})
        room.apply("bench-spark-kept", {"kind": "spark", "config": {**plain, "plan": True, "parquet": True}})
        for _ in range(3):  # the server's first jobs, and the executor's warm process
            room.run("bench-spark", poll=POLL_SECONDS)
        for _ in range(bench.sizes.spark_runs):
            bench.add(TRIVIAL, OURS, room.run("bench-spark", poll=POLL_SECONDS)["seconds"])
            bench.add(KEPT, OURS, room.run("bench-spark-kept", poll=POLL_SECONDS)["seconds"])
