"""What `up` reads from the environment, and what it refuses before it starts anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from control_room.errors import MISUSE, ControlRoomError
from control_room.local import stack
from control_room.local.folder import StackFolder
from control_room.local.settings import settings_found
from control_room.local.spark import Spark
from control_room.local.state import StackState
from control_room.local.supervisor import Options
from control_room.local.trino import Trino


@pytest.mark.parametrize("engine", [Trino, Spark])
@pytest.mark.parametrize(("told", "seconds"), [("", 240.0), ("12.5", 12.5)])
def test_an_engine_gets_the_time_that_it_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: type[Trino] | type[Spark], told: str, seconds: float
) -> None:
    monkeypatch.setenv("OPS_ENGINE_START_SECONDS", told)
    assert engine(StackFolder(tmp_path), StackState()).start_seconds == seconds


@pytest.mark.parametrize(("told", "seconds"), [("", 600.0), ("12.5", 12.5), ("0", 0.0)])
def test_how_long_a_spark_may_rest(monkeypatch: pytest.MonkeyPatch, told: str, seconds: float) -> None:
    monkeypatch.setenv("OPS_SPARK_IDLE_SECONDS", told)
    assert settings_found().spark_idle_seconds == seconds


@pytest.mark.parametrize("variable", ["OPS_ENGINE_START_SECONDS", "OPS_SPARK_IDLE_SECONDS"])
@pytest.mark.parametrize("told", ["soon", "-1", "nan"])
def test_a_value_that_cannot_be_is_refused_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, told: str
) -> None:
    monkeypatch.setenv(variable, told)
    with pytest.raises(ControlRoomError, match=f"{variable} is '{told}'") as refused:
        stack.up(StackFolder(tmp_path / "data"), Options(), lambda _: None)
    assert refused.value.exit_code == MISUSE
    assert not (tmp_path / "data" / "stack.json").exists()
