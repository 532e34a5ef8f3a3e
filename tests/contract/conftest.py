"""The executor plane over a database of each test's own and the process's object store."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.contract.plane import Plane, plane_over, server_settings
from tests.support.ops import Ops
from tests.support.postgres import Database, pg18, stop_clusters_at_the_end
from tests.support.seaweed import Seaweed, object_store, own_object_store

__all__ = ["object_store", "own_object_store", "pg18", "stop_clusters_at_the_end"]


@pytest.fixture
def ops18(pg18: Database) -> Iterator[Ops]:
    """The database of this test, by straight SQL."""
    found = Ops(pg18)
    yield found
    found.close()


@pytest.fixture
async def plane(ops18: Ops, object_store: Seaweed, tmp_path: Path) -> AsyncIterator[Plane]:
    """The whole plane, working."""
    async with plane_over(ops18, server_settings(tmp_path, object_store)) as found:
        yield found
