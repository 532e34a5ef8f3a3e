"""Every db test gets a database of its own; see tests/support/postgres.py."""

from collections.abc import Iterator

import pytest

from tests.support.core import Queue
from tests.support.ops import Ops
from tests.support.postgres import Database, empty_pg, pg, pg18, stop_clusters_at_the_end

__all__ = ["empty_pg", "ops", "ops18", "pg", "pg18", "queue", "stop_clusters_at_the_end"]


@pytest.fixture
def ops(pg: Database) -> Iterator[Ops]:
    """The ops functions on each version, called as a server calls them."""
    found = Ops(pg)
    yield found
    found.close()


@pytest.fixture
def ops18(pg18: Database) -> Iterator[Ops]:
    """The ops functions on the newest version."""
    found = Ops(pg18)
    yield found
    found.close()


@pytest.fixture
def queue(pg: Database) -> Iterator[Queue]:
    """The queue as a test drives it, on each version."""
    made = Queue(pg)
    yield made
    made.ops.close()
