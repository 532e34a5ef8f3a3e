"""Applications for spark-submit: Python and a jar, on a local master and on a real standalone one."""

from __future__ import annotations

import hashlib
import io
import json
import secrets
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from control_room.local import spark_config
from tests.executors.room import Executor, Room, pack, wait_for
from tests.executors.sql import artifacts
from tests.executors.test_spark_sql import busy
from tests.support.spark import Spark, Standalone, installed_jars, installed_java, java_below, running_standalone
from tests.support.trino import IcebergSeaweed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
Json = dict[str, Any]
ONCE: Json = {"kind": "spark", "entrypoint": None, "retry": {"max_attempts": 1}}
FINISHED = 400.0
PYTHON = """
import os, pathlib, sys
from pyspark.sql import SparkSession
from lib.words import upper

spark = SparkSession.builder.getOrCreate()
print("hello from the application", sys.argv[1:], spark.sparkContext.master)
rows = spark.sparkContext.parallelize(range(int(sys.argv[1])), 4).map(lambda n: upper(f"row {n}")).collect()
outputs = pathlib.Path(sys.argv[2])
(outputs / "rows.txt").write_text("\\n".join(rows))
(outputs / "result.json").write_text('{"rows": %d, "master": "%s"}' % (len(rows), spark.sparkContext.master))
"""
WORDS = "def upper(text):\n    return text.upper()\n"
FOREVER = """
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
print(spark.range(0, 10**13, 1, 4).selectExpr("sum(id % 7)").collect())
"""
JAVA = """
package demo;

import java.nio.file.Files;
import java.nio.file.Path;
import org.apache.spark.sql.SparkSession;

public class Count {
    public static void main(String[] args) throws Exception {
        SparkSession spark = SparkSession.builder().getOrCreate();
        long found = spark.range(Long.parseLong(args[0])).repartition(3).count();
        System.out.println("counted " + found + " on " + spark.sparkContext().master());
        Files.writeString(Path.of(args[1], "count.txt"), Long.toString(found));
        if (args.length > 2) {
            fail(spark, args[2]);
        }
        spark.stop();
    }

    static void fail(SparkSession spark, String how) {
        if (how.equals("table")) {
            spark.table("no_such").count();
        }
        if (how.equals("memory")) {
            long[] greedy = new long[1 << 30];
            System.out.println(greedy.length);
        }
        throw new IllegalStateException(how);
    }
}
"""


def submit(room: Room, files: dict[str, str] | bytes, submit: Json, config: Json | None = None, **spec: Any) -> str:
    """A template of its own with this bundle (files, or a packed one), and one run of it."""
    bundle = files if isinstance(files, bytes) else pack(files)
    sha256 = hashlib.sha256(bundle).hexdigest()
    key = room.call("put_bundle", room.operator, {"sha256": sha256, "size": len(bundle)})["object_key"]
    room.store.client().put_object(Bucket="artifacts", Key=key, Body=bundle)
    room.call("put_bundle", room.operator, {"sha256": sha256, "size": len(bundle), "stored": True})
    params = spec.pop("params", {})
    name = f"submit-{secrets.token_hex(4)}"
    template = {"name": name, "kind": "spark", "config": {"submit": submit, **(config or {})}, "lease_seconds": 6}
    template |= {"bundle": {"sha256": sha256, "size": len(bundle)}, "retry": {"max_attempts": 1}, **spec}
    room.call("put_template", room.operator, name, template)
    return str(room.call("submit_run", room.operator, {"template": name, "params": params})["run_id"])


def serve(room: Room, spark: Spark, **more: str) -> Executor:
    """An executor whose applications reach the store of this Spark."""
    written = room.secrets / "driver.properties"
    keys = spark.store.access_key, spark.store.secret_key
    written.write_text(spark_config.driver_properties(spark.layout(), *keys))
    return room.executor("spark", spark_properties_file=str(written), **more)


def drivers(executor: Executor) -> list[psutil.Process]:
    """Java processes of this executor."""
    return java_below(executor.pid)


@pytest.fixture(scope="module")
def settings(spark_lake: IcebergSeaweed, tmp_path_factory: pytest.TempPathFactory) -> Spark:
    """What drivers are made from; no server is started."""
    return Spark(installed_java(), installed_jars(), tmp_path_factory.mktemp("spark"), spark_lake)


@pytest.fixture(scope="session")
def jar(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A bundle with a jar, compiled here against Spark's own jars."""
    if shutil.which("javac") is None:
        pytest.skip("javac is not installed: a JDK compiles the test's jar")
    folder = tmp_path_factory.mktemp("jar")
    (folder / "Count.java").write_text(JAVA)
    import pyspark

    jars = Path(pyspark.__file__).parent / "jars" / "*"
    subprocess.run(
        ["javac", "-nowarn", "-cp", str(jars), "-d", str(folder / "classes"), str(folder / "Count.java")], check=True
    )
    with zipfile.ZipFile(folder / "count.jar", "w") as packed:
        packed.write(folder / "classes" / "demo" / "Count.class", "demo/Count.class")
    return pack_bytes({"count.jar": (folder / "count.jar").read_bytes()})


def pack_bytes(files: dict[str, bytes]) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return target.getvalue()


@pytest.fixture(scope="module")
def standalone(settings: Spark) -> Iterator[Standalone]:
    yield from running_standalone(settings.java)


PY_JOB: Json = {"file": "job.py", "args": ["{params.rows}", "{outputs}"], "py_files": ["words.zip"]}


def py_bundle() -> bytes:
    """The script with a package of its own in a zip file, which executors need too."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("lib/__init__.py", "")
        archive.writestr("lib/words.py", WORDS)
    return pack_bytes({"job.py": PYTHON.encode(), "words.zip": packed.getvalue()})


def check_python(room: Room, master: str) -> None:
    run = room.ended(submit(room, py_bundle(), PY_JOB, params={"rows": 12}), FINISHED)
    assert run["state"] == "succeeded", run["error"]
    assert run["result"] == {"rows": 12, "master": master}
    assert "hello from the application ['12', " in room.logged(run["run_id"])
    assert room.artifacts(run["run_id"])["rows.txt"].decode().splitlines()[:2] == ["ROW 0", "ROW 1"]
    assert f"mode submit: the template says so; master {master}" in room.logged(run["run_id"], "log")


def check_jar(room: Room, jar: bytes, master: str) -> None:
    job = {"file": "count.jar", "class": "demo.Count", "args": ["{params.rows}", "{outputs}"]}
    run = room.ended(submit(room, jar, job, params={"rows": 1000}), FINISHED)
    assert run["state"] == "succeeded", run["error"]
    assert run["result"]["exit_code"] == 0
    assert f"counted 1000 on {master}" in room.logged(run["run_id"])
    assert room.artifacts(run["run_id"])["count.txt"] == b"1000"


def test_a_python_application_and_a_jar_run_on_a_local_master(control_room: Room, settings: Spark, jar: bytes) -> None:
    executor = serve(control_room, settings)
    check_python(control_room, "local[2]")
    check_jar(control_room, jar, "local[2]")
    wait_for("the drivers to end", lambda: not drivers(executor), 10)


def test_they_run_on_a_standalone_master_and_a_cancelled_one_leaves_it(
    control_room: Room, settings: Spark, jar: bytes, standalone: Standalone
) -> None:
    executor = serve(control_room, settings, spark_master=standalone.url)
    check_python(control_room, standalone.url)
    check_jar(control_room, jar, standalone.url)
    done = {app["name"]: app["state"] for app in standalone.state()["completedapps"]}
    assert set(done.values()) == {"FINISHED"}, done
    run_id = submit(control_room, {"job.py": FOREVER}, {"file": "job.py"})
    progress = wait_for("the application to work", lambda: busy(control_room, run_id), FINISHED)
    assert progress["unit"] == "tasks"
    assert standalone.state()["activeapps"]
    control_room.call("cancel_run", control_room.operator, run_id, {"reason": "enough"})
    assert control_room.ended(run_id)["state"] == "cancelled"
    wait_for("the driver to end", lambda: not drivers(executor), 10)
    wait_for("the master to let it go", lambda: not standalone.state()["activeapps"], 30)


def test_wall_and_memory_caps_end_an_application(control_room: Room, settings: Spark) -> None:
    executor = serve(control_room, settings)
    run = control_room.ended(
        submit(control_room, {"job.py": FOREVER}, {"file": "job.py"}, caps={"wall_seconds": 25}), FINISHED
    )
    assert (run["state"], run["cap_ledger"][0]["cap"]) == ("failed", "wall_seconds"), run["error"]
    wait_for("the driver to end", lambda: not drivers(executor), 10)
    greedy = "from pyspark.sql import SparkSession\nSparkSession.builder.getOrCreate()\nhuge = bytearray(3 * 10**9)\n"
    greedy += "import time\nfor n in range(0, len(huge), 4096): huge[n] = 1\ntime.sleep(600)"
    caps = {"memory_bytes": 1500 * 2**20}
    run = control_room.ended(submit(control_room, {"job.py": greedy}, {"file": "job.py"}, caps=caps), FINISHED)
    assert (run["state"], run["cap_ledger"][0]["cap"]) == ("failed", "memory_bytes"), run["error"]
    wait_for("the driver to end", lambda: not drivers(executor), 10)


@pytest.mark.parametrize(
    ("code", "class_", "error_code", "line"),
    [
        ("spark.table('no_such').count()", "user", "table_or_view_not_found", 3),
        ("int('seven')", "user", "value_error", 3),
        ("import sys; sys.exit(7)", "user", "exit_code", None),
    ],
)
def test_a_python_application_that_fails_has_its_class_and_the_line(
    control_room: Room, settings: Spark, code: str, class_: str, error_code: str, line: int | None
) -> None:
    serve(control_room, settings)
    text = f"from pyspark.sql import SparkSession\nspark = SparkSession.builder.getOrCreate()\n{code}\n"
    run = control_room.ended(submit(control_room, {"job.py": text}, {"file": "job.py"}), FINISHED)
    error = run["error"]
    assert (error["class"], error["code"]) == (class_, error_code), error
    assert (error["position"] or {}).get("line") == line, error
    assert line is None or error["position"]["file"] == "job.py"


@pytest.mark.parametrize(
    ("how", "class_", "error_code"),
    [("table", "user", "table_or_view_not_found"), ("why not", "user", "illegal_state_exception")],
)
def test_a_jar_that_fails_has_its_class_and_the_line_of_its_source(
    control_room: Room, settings: Spark, jar: bytes, how: str, class_: str, error_code: str
) -> None:
    serve(control_room, settings)
    job = {"file": "count.jar", "class": "demo.Count", "args": ["5", "{outputs}", "{params.how}"]}
    run = control_room.ended(submit(control_room, jar, job, params={"how": how}), FINISHED)
    error = run["error"]
    assert (error["class"], error["code"]) == (class_, error_code), error
    assert error["position"]["file"] == "Count.java", error
    assert "count.txt" in artifacts(control_room, run["run_id"])


def test_memory_that_runs_out_in_the_driver_is_told_and_not_tried_again_by_itself(
    control_room: Room, settings: Spark, jar: bytes
) -> None:
    serve(control_room, settings)
    job = {"file": "count.jar", "class": "demo.Count", "args": ["5", "{outputs}", "memory"]}
    retry = {"max_attempts": 3, "on": ["resources"], "backoff_seconds": 0.1}
    run_id = submit(control_room, jar, job, retry=retry, caps={"memory_bytes": 900 * 2**20})
    wait_for("the run to wait", lambda: control_room.run(run_id)["state"] == "waiting", FINISHED)
    run = control_room.run(run_id)
    assert run["state_reason"] == "rerun_unsafe"
    error = run["attempts"][0]["error"]
    assert (error["class"], error["code"]) == ("resources", "outcome_unknown"), error
    assert "out_of_memory" in error["message"]


def test_what_cannot_start_says_why_and_wrote_nothing(control_room: Room, settings: Spark, jar: bytes) -> None:
    serve(control_room, settings)
    missing = {"file": "count.jar", "class": "demo.NotThere"}
    error = control_room.ended(submit(control_room, jar, missing), FINISHED)["error"]
    assert (error["class"], error["code"]) == ("user", "class_missing"), error
    error = control_room.ended(submit(control_room, jar, {"file": "other.jar"}), FINISHED)["error"]
    assert (error["class"], error["code"]) == ("user", "entrypoint_missing"), error
    control_room.executors[0].stop()
    serve(control_room, settings, spark_master="spark://127.0.0.1:1")
    job = {"file": "job.py"}
    error = control_room.ended(submit(control_room, {"job.py": FOREVER}, job), FINISHED)["error"]
    assert (error["class"], error["code"]) == ("external", "master_unreachable"), error


def test_no_secret_of_the_store_is_in_log_events_artifacts_or_the_status_page(
    control_room: Room, settings: Spark
) -> None:
    """The application prints all that it knows: its author may read it, the run must not show it."""
    serve(control_room, settings)
    code = """
import pathlib, sys, urllib.request
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
print(spark.sparkContext.getConf().getAll())
print(spark.sparkContext.getConf().getAll(), file=sys.stderr)
context = spark.sparkContext
page = urllib.request.urlopen(f"{context.uiWebUrl}/api/v1/applications/{context.applicationId}/environment").read()
pathlib.Path(sys.argv[1], "page.json").write_bytes(page)
spark.conf.set("spark.sql.catalog.iceberg.uri", "http://127.0.0.1:1")
spark.sql("select * from delta.`s3://artifacts/no-such-table`").show()
"""
    run_id = submit(control_room, {"job.py": code}, {"file": "job.py", "args": ["{outputs}"]})
    run = control_room.ended(run_id, FINISHED)
    assert run["state"] == "failed"
    told = {name: data.decode(errors="replace") for name, data in control_room.artifacts(run_id).items()}
    assert "spark.ui.port" in told["page.json"]
    told |= {stream: control_room.logged(run_id, stream) for stream in ("stdout", "stderr", "log")}
    assert "spark.hadoop.fs.s3a.secret.key" in told["stdout"]
    told["run"] = json.dumps(run, default=str)
    told["events"] = json.dumps(control_room.call("run_events", control_room.operator, run_id, {}), default=str)
    told["executor"] = control_room.executors[0].log.read_text()
    assert not [name for name, text in told.items() if settings.store.secret_key in text]
