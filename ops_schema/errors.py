"""What the database door raises.

StoreError
├── StoreUnavailable      the database cannot be reached or dropped the connection; try again later
│   └── StoreBusy             another transaction holds what this one needs
└── OpsError              the database refused the request, with a private SQLSTATE (OPxxx)

MigrationError            the schema and this program do not fit together
├── MigrationEdited       a released migration file was changed
├── SchemaTooNew          the database knows migrations that this program does not
├── SchemaTooOld          the database misses migrations that this program needs
└── MigrationBusy         another program holds the migration lock, or a table stays locked
"""

# ruff: noqa: N818 - the names state what happened

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class StoreError(Exception):
    """Root of everything that ops_schema.store raises on purpose."""


class StoreUnavailable(StoreError):
    """The database cannot be reached now. Nothing is known about the request: repeat it with the same body."""


class OpsError(StoreError):
    """A refusal by an ops function.

    sqlstate: private code 'OPxxx' (contract.errors maps each once); message: what was wrong and where;
    members: code-specific facts for the problem document; hint: what to do, or None.
    """

    def __init__(self, sqlstate: str, message: str, members: Mapping[str, Any] | None = None, hint: str | None = None):
        super().__init__(message)
        self.sqlstate = sqlstate
        self.message = message
        self.members: dict[str, Any] = dict(members or {})
        self.hint = hint


class StoreBusy(StoreUnavailable):
    """Another transaction holds a lock for longer than the caller would wait; nothing has changed."""


class MigrationError(Exception):
    """Root of what ops_schema.migrate raises; the text says what to do."""


class MigrationEdited(MigrationError):
    """A migration file no longer matches its frozen hash."""


class SchemaTooNew(MigrationError):
    """The database carries a migration this program does not know."""


class SchemaTooOld(MigrationError):
    """The database misses a migration this program needs."""


class MigrationBusy(MigrationError):
    """Another migration runs, or a lock was not had in time."""
