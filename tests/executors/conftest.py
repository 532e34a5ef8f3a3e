"""Fixtures of the executor tests."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.executors.children import bench  # noqa: F401
from tests.executors.room import Room, room
from tests.executors.shop import gift, shop  # noqa: F401
from tests.support.postgres import Database, pg18, stop_clusters_at_the_end  # noqa: F401
from tests.support.seaweed import Seaweed, object_store  # noqa: F401
from tests.support.spark import Spark, own_spark, spark, spark_lake  # noqa: F401
from tests.support.trino import Trino, lake, own_trino, trino  # noqa: F401


@pytest.fixture
def control_room(pg18: Database, object_store: Seaweed, tmp_path: Path) -> Iterator[Room]:  # noqa: F811
    """A control room of the test's own; its executors and server end with the test."""
    with room(pg18, object_store, tmp_path) as opened:
        yield opened


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as executor:
        yield executor
