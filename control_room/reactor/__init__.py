"""Duties that nobody asks for: leases that lapse, runs whose time comes, publications left behind, partitions.

One process of all is the leader (a lease row in Postgres) and does them; every duty is idempotent in SQL, so a second
leader for a moment does no harm.
"""
