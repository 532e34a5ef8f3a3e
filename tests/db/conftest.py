"""Every db test gets a database of its own; see tests/support/postgres.py."""

import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.core import Queue
from tests.support.ops import Ops
from tests.support.postgres import Database, empty_pg, pg, pg18, stop_clusters_at_the_end

OLDER = ("15", "17")
# What a version may well do in its own way is always looked at on each.
ON_EACH = {"test_catalog", "test_core_events", "test_core_fencing", "test_core_flow", "test_migrate", "test_store"}
__all__ = ["empty_pg", "ops", "ops18", "pg", "pg18", "queue", "stop_clusters_at_the_end"]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`make test` runs each test on the newest version and on one of the older ones; `make test-full` on the other."""
    for item in items:
        version = getattr(getattr(item, "callspec", None), "params", {}).get("pg")
        if version in OLDER and item.path.parent == Path(__file__).parent and item.path.stem not in ON_EACH:
            test = f"{item.path.stem}::{item.name.replace(f'pg{version}', 'pg')}"
            if version != OLDER[zlib.crc32(test.encode()) % 2]:
                item.add_marker("slow")


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
