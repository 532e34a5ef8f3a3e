"""Every db test gets a database of its own; see tests/support/postgres.py."""

from tests.support.postgres import empty_pg, pg, pg18, stop_clusters_at_the_end

__all__ = ["empty_pg", "pg", "pg18", "stop_clusters_at_the_end"]
