"""The log store that Spark gets is what its source says."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from control_room.engines import catalogue
from control_room.local import spark, spark_config

SOURCES = spark.LOG_STORE_JAR.parent
CLASS = spark_config.LOG_STORE.replace(".", "/")
CLASS_VERSION_OF_JAVA_17 = 61


def content() -> bytes:
    with zipfile.ZipFile(spark.LOG_STORE_JAR) as jar:
        return jar.read(f"{CLASS}.class")


def test_the_jar_holds_the_class_that_is_configured_for_the_oldest_java_that_spark_takes() -> None:
    found = content()
    assert found[:4] == b"\xca\xfe\xba\xbe"
    assert int.from_bytes(found[6:8], "big") == CLASS_VERSION_OF_JAVA_17
    assert b"fs.option.create.conditional.overwrite" in found


def test_the_jar_is_what_its_source_compiles_to(tmp_path: Path) -> None:
    spec, home = importlib.util.find_spec("pyspark"), catalogue.installed_at(catalogue.distributions()["spark"])
    compiler = shutil.which("javac")
    if spec is None or spec.origin is None or home is None or compiler is None:
        pytest.skip("needs javac, pyspark and Spark's jars")
    path = [*(Path(spec.origin).parent / "jars").glob("hadoop-client-api-*.jar"), *(home / "jars").glob("*.jar")]
    argv = [compiler, "--release", "17", "-g:none", "-proc:none", "-d", str(tmp_path), "-cp", ":".join(map(str, path))]
    subprocess.run([*argv, str(SOURCES / f"{CLASS}.java")], check=True, capture_output=True)
    assert (tmp_path / f"{CLASS}.class").read_bytes() == content()
