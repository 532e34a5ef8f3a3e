"""The queue side by side with pgbench floors and the known Postgres queues: see README.md in this folder."""
