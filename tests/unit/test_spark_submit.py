"""Applications for spark-submit: their config, their settings, what their ends mean; the shared server's memory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from executors.command.placeholders import Values
from executors.runtime.failures import TaskError
from executors.runtime.supervise import ChildEnd
from executors.spark.config import ISOLATED, SUBMIT, is_code, is_submit, parse_config
from executors.spark.settings import secrets_of, target_of
from executors.spark.shared_memory import WHY, SharedMemory
from executors.spark.status import progress_of, usage_of
from executors.spark.submit import (
    Submit,
    address_towards,
    application_settings,
    arguments,
    executor_heap,
    file_settings,
    submit_of,
)
from executors.spark.submit_failure import failure

Json = dict[str, Any]
BUNDLE = "/work/bundle"
GIB = 2**30
TRACEBACK = f"""26/11/22 14:00:00 WARN NativeCodeLoader: Unable to load native-hadoop library
Traceback (most recent call last):
  File "{BUNDLE}/job.py", line 12, in main
    load()
  File "{BUNDLE}/lib/tables.py", line 3, in load
    spark.table("no_such")
  File "/usr/lib/pyspark/errors/exceptions/captured.py", line 263, in deco
    raise converted from None
pyspark.errors.exceptions.captured.AnalysisException: [TABLE_OR_VIEW_NOT_FOUND] There is no `no_such`.
Verify the spelling. SQLSTATE: 42P01;
'UnresolvedRelation [no_such]
"""
JAVA = """Exception in thread "main" org.apache.spark.sql.AnalysisException: [DIVIDE_BY_ZERO] No. SQLSTATE: 22012
\tat org.apache.spark.sql.Dataset.count(Dataset.scala:3615)
\tat demo.Count.fail(Count.java:24)
\tat demo.Count.main(Count.java:16)
"""
USER_APP = """Traceback (most recent call last):
  File "/work/bundle/job.py", line 2, in <module>
    int("seven")
ValueError: invalid literal for int() with base 10: 'seven'
Exception in thread "main" org.apache.spark.SparkUserAppException: User application exited with 1
"""


def ended(
    code: int, stderr: str = "", *, stdout: str = "", oom: bool = False, started: bool = False, worked: bool = False
) -> TaskError:
    found = failure(code, stdout, stderr, BUNDLE, GIB, oom=oom, started=started, worked=worked)
    assert found is not None
    return found


def test_a_template_names_files_of_its_bundle(tmp_path: Path) -> None:
    (tmp_path / "job.py").touch()
    given = {"file": "job.py", "args": ["--day", "{params.day}"], "py_files": ["more.zip"]}
    config = parse_config({"config": {"submit": given, "conf": {"spark.sql.shuffle.partitions": "8"}}})
    assert config.submit == Submit("job.py", args=("--day", "{params.day}"), py_files=("more.zip",))
    with pytest.raises(TaskError, match=r"no file 'more\.zip'"):
        config.submit.check(tmp_path)
    with pytest.raises(TaskError, match="outside the bundle"):
        Submit("../job.py").check(tmp_path)
    with pytest.raises(TaskError, match="needs a code bundle"):
        Submit("job.py").check(None)


@pytest.mark.parametrize(
    ("config", "entrypoint", "told"),
    [
        ({"submit": {"file": "job.sql"}}, None, "a .py or .jar file"),
        ({"submit": {"file": "job.py", "class": "a.B"}}, None, "is of a jar"),
        ({"submit": {"file": "a.jar", "class": "--conf"}}, None, "full name of a class"),
        ({"submit": {"file": "a.jar", "master": "local"}}, None, "must be an object of these keys"),
        ({"submit": {"file": "a.jar", "args": [1]}}, None, "must be a list of texts"),
        ({"submit": {"file": "a.jar", "jars": ["b.jar,/etc/c.jar"]}}, None, "divides names by commas"),
        ({"submit": {"file": "a.jar", "jars": ["b.py"]}}, None, "ends in none of"),
        ({"submit": {"file": "a.jar"}, "mode": "connect"}, None, "is of sessions"),
        ({"submit": {"file": "a.jar"}, "sql": "select 1"}, None, "is of sessions"),
        ({"submit": {"file": "a.jar"}}, "job.py", "beside the entrypoint"),
        ({"submit": {"file": "a.jar"}, "conf": {"spark.jars": "x"}}, None, "no template's to set"),
    ],
)
def test_what_does_not_fit_is_named(config: Json, entrypoint: str | None, told: str) -> None:
    with pytest.raises(TaskError, match=told):
        parse_config({"config": config, "entrypoint": entrypoint})


def test_a_job_is_an_application_by_its_config_alone() -> None:
    job = {"config": {"submit": {"file": "a.jar"}}, "entrypoint": None}
    assert is_submit(job)
    assert not is_code(job)
    assert not is_submit({"config": {"sql": "select 1"}})
    target = target_of(parse_config(job), {"spark": {"kind": "spark", "remote": "sc://localhost:1", "master": "yarn"}})
    assert (target.mode, target.master) == (SUBMIT, "yarn")


def test_arguments_hold_values_whole_and_files_stand_beside_the_operator_s(tmp_path: Path) -> None:
    submit = Submit("a.jar", "demo.Main", ("{params.day}", "--conf"), jars=("b.jar",), files=("c.json",))
    found = arguments(submit, tmp_path / "p", Path(BUNDLE), Values({"day": "2013-01-02 --conf x"}))
    assert found[2:] == ["--class", "demo.Main", f"{BUNDLE}/a.jar", "2013-01-02 --conf x", "--conf"]
    settings = file_settings(submit, Path(BUNDLE), {"spark.jars": "/opt/delta.jar", "spark.files": ""})
    assert settings == {"spark.jars": f"/opt/delta.jar,{BUNDLE}/b.jar", "spark.files": f"{BUNDLE}/c.json"}


def test_the_platform_s_settings_stand_over_all_others() -> None:
    operator = {"spark.executor.memory": "8g", "spark.driver.host": "10.0.0.7", "spark.ui.killEnabled": "true"}
    held = {"spark.master": "spark://10.0.0.1:7077"}
    found = application_settings(operator, {"spark.ui.port": "1"}, held, held["spark.master"], 2 * GIB, 4041)
    assert found["spark.executor.memory"] == "2048m"
    assert (found["spark.driver.host"], found["spark.ui.port"], found["spark.ui.killEnabled"]) == (
        "10.0.0.7",
        "4041",
        "false",
    )
    assert "spark.executor.memory" not in application_settings({}, {}, {}, "local[2]", GIB, 1)


@pytest.mark.parametrize(
    ("given", "heap"), [("512m", 512 * 2**20), ("8g", 2 * GIB), ("1024", 1024), ("2GiB", 2 * GIB), ("?", 2 * GIB)]
)
def test_no_executor_has_more_memory_than_the_run_s_driver(given: str, heap: int) -> None:
    assert executor_heap({"spark.executor.memory": given}, 2 * GIB) == heap
    assert executor_heap({}, 2 * GIB) == GIB


def test_the_driver_is_called_by_the_address_on_the_way_to_its_master() -> None:
    assert address_towards("spark://127.0.0.1:7077,127.0.0.2:7077") == "127.0.0.1"
    assert address_towards("k8s://https://127.0.0.1:6443") == "127.0.0.1"
    assert address_towards("yarn")


def test_python_s_traceback_gives_class_code_and_the_last_place_in_the_bundle() -> None:
    error = ended(1, "WARN of no interest\n", stdout=TRACEBACK)
    assert (error.failure_class, error.code) == ("user", "table_or_view_not_found")
    assert error.position == {"file": "lib/tables.py", "line": 3, "function": "load"}
    assert error.message.startswith("AnalysisException: [TABLE_OR_VIEW_NOT_FOUND]")
    assert error.message.endswith("SQLSTATE: 42P01")
    error = ended(1, USER_APP)
    assert (error.failure_class, error.code, (error.position or {})["line"]) == ("user", "value_error", 2)


def test_java_s_exception_gives_class_code_and_the_author_s_line() -> None:
    error = ended(1, JAVA)
    assert (error.failure_class, error.code) == ("user", "divide_by_zero")
    assert error.position == {"file": "Count.java", "line": 24, "function": "demo.Count"}
    own = JAVA.replace(
        "org.apache.spark.sql.AnalysisException: [DIVIDE_BY_ZERO] No. SQLSTATE: 22012", "demo.TooLate: x"
    )
    assert (ended(1, own).failure_class, ended(1, own).code) == ("user", "too_late")


@pytest.mark.parametrize(
    ("code", "stderr", "class_", "was"),
    [
        (52, "", "resources", "out_of_memory"),
        (3, "", "resources", "out_of_memory"),
        (1, JAVA.replace("org.apache.spark.sql.AnalysisException", "java.lang.OutOfMemoryError"), "resources",
         "out_of_memory"),
        (-9, "", "internal", "driver_lost"),
        (137, "", "internal", "driver_lost"),
        (1, JAVA.replace("[DIVIDE_BY_ZERO] No. SQLSTATE: 22012", "[DELTA_CONCURRENT_APPEND] No. SQLSTATE: 2D521"),
         "external", "concurrent_write"),
    ],
)  # fmt: skip
def test_what_is_not_the_author_s_fault_is_held_because_it_may_have_written(
    code: int, stderr: str, class_: str, was: str
) -> None:
    error = ended(code, stderr)
    assert (error.failure_class, error.code) == (class_, "outcome_unknown")
    assert f"({was})" in error.message or was in error.message


@pytest.mark.parametrize(
    ("stderr", "class_", "code"),
    [
        ("Error: Failed to load class demo.NotThere.\n", "user", "class_missing"),
        ("WARN StandaloneSchedulerBackend: ... \nERROR: All masters are unresponsive! Giving up.\n", "external",
         "master_unreachable"),
        ('Exception in thread "main" org.apache.spark.SparkException: Could not parse Master URL: \'x\'\n', "external",
         "master_unreachable"),
        ("Error: Unrecognized option: --wrong\n", "external", "submit_refused"),
    ],
)  # fmt: skip
def test_what_ended_before_the_code_began_wrote_nothing(stderr: str, class_: str, code: str) -> None:
    error = ended(1, stderr)
    assert (error.failure_class, error.code) == (class_, code)


def test_an_exit_code_alone_is_the_author_s_and_success_is_none() -> None:
    assert (ended(7).failure_class, ended(7).code) == ("user", "exit_code")
    assert "-15 (SIGTERM)" in ended(-15).message
    assert ended(-9, oom=True).failure_class == "resources"
    assert failure(0, TRACEBACK, "", BUNDLE, GIB, oom=False, started=True, worked=True) is None


def test_progress_and_usage_are_sums_of_what_the_status_api_tells() -> None:
    jobs = [
        {"status": "SUCCEEDED", "numTasks": 4, "numCompletedTasks": 4},
        {"status": "RUNNING", "numTasks": 8, "numCompletedTasks": 3},
    ]
    stages = [
        {"status": "ACTIVE", "numActiveTasks": 2, "inputBytes": 10, "executorCpuTime": 1_500_000_000},
        {"status": "COMPLETE", "numActiveTasks": 0, "inputBytes": 5, "outputRecords": 7, "peakExecutionMemory": 9},
    ]
    told = progress_of(jobs, stages)
    assert told == {"message": "1 jobs at work, 1 done: 3 of 8 tasks done, 2 running", "current": 7, "unit": "tasks"}
    usage = usage_of(stages)
    assert (usage["scanned_bytes"], usage["rows_written"], usage["executors_cpu_seconds"]) == (15, 7, 1.5)
    assert usage["operator_memory_peak_bytes"] == 9


def test_secrets_of_settings_are_known_whole_and_by_their_halves() -> None:
    settings = {
        "spark.sql.catalog.iceberg.credential": "a-key:a-long-secret",
        "spark.hadoop.fs.s3a.secret.key": "another-secret",
        "spark.hadoop.fs.s3a.access.key": "an-access-key",
        "spark.hadoop.fs.s3a.aws.credentials.provider": "org.apache.Provider",
        "spark.jars": "/opt/a.jar",
    }
    found = {"a-key:a-long-secret", "a-long-secret", "another-secret", "an-access-key"}
    assert secrets_of(settings) == found


def gone(code: str = "connection_lost") -> ChildEnd:
    return ChildEnd(error={"class": "external", "code": code, "message": "Spark is gone"})


def test_a_server_s_end_is_told_as_its_memory_s_only_if_its_note_is_younger_than_the_run(tmp_path: Path) -> None:
    memory = SharedMemory(note := tmp_path / "out-of-memory")
    job: Json = {"run_id": "r", "connections": {"spark": {"kind": "spark", "remote": "sc://localhost:1"}}}
    note.touch()
    memory.begin(job, "connect", "spark")
    memory.explain(job, before := gone())
    assert before.error is not None
    assert before.error["class"] == "external"
    memory.apart(job)
    config = parse_config({"config": {"sql": "select 1"}})
    assert target_of(config, job["connections"]).mode == "connect"
    os.utime(note, ns=(1, 1))
    memory.explain(job, after := gone())
    memory.explain(job, unsure := gone("outcome_unknown"))
    memory.explain(job, other := gone("table_or_view_not_found"))
    told = [(end.error["class"], end.error["code"]) for end in (after, unsure, other) if end.error]
    assert told[0] == ("resources", "server_out_of_memory")
    assert told[1] == ("resources", "outcome_unknown")
    assert told[2] == ("external", "table_or_view_not_found")
    memory.apart(job)
    target = target_of(config, job["connections"])
    assert (target.mode, target.why) == (ISOLATED, WHY)
    assert (
        target_of(parse_config({"config": {"sql": "select 1", "mode": "connect"}}), job["connections"]).mode
        == "connect"
    )


def test_a_submit_that_is_none_is_none() -> None:
    assert submit_of(None) is None


def test_what_an_application_at_work_says_of_a_master_is_not_why_it_ended() -> None:
    """One of two masters was down: it registered at the other, wrote, and raised. Tried again, it would write twice."""
    warning = "WARN StandaloneAppClient$ClientEndpoint: Failed to connect to master a:7077\n"
    found = ended(1, warning + USER_APP, started=True)
    assert (found.failure_class, found.code) == ("user", "value_error")
    assert ended(1, warning).code == "master_unreachable"


def test_a_driver_that_gave_up_its_master_never_had_one_though_its_page_was_seen_for_a_moment() -> None:
    stderr = "ERROR StandaloneSchedulerBackend: All masters are unresponsive! Giving up.\n"
    assert ended(1, stderr, stdout=TRACEBACK, started=True).code == "master_unreachable"
    found = ended(1, stderr, stdout=TRACEBACK, started=True, worked=True)
    assert found.code != "master_unreachable", "it is another session's word: the first one may have written"
