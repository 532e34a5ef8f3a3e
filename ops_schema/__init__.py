"""The ops schema: SQL sources, migrations, and the one Python door to its functions. Imports nothing of ours."""
