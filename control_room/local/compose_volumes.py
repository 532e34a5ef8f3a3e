"""The volumes of compose, as its setting up sees them, and the names of what it sets up."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

from control_room.local.folder import write_private

STORE_PORT, CATALOG_PORT = 8333, 8181
# A name that browsers take for this machine and Docker's own name server for the container: presigned URLs hold it.
STORE_HOST = "objectstore.localhost"


@dataclass(frozen=True)
class Volumes:
    """Where the volumes of secrets are mounted in the container that makes them."""

    root: Path = Path("/secrets")
    store: Path = Path("/store")
    kinds: tuple[str, ...] = ("python", "notebook", "dbt", "duckdb", "command", "trino", "spark")

    @property
    def database(self) -> Path:
        return self.root / "database"

    @property
    def server(self) -> Path:
        return self.root / "server"

    @property
    def operator(self) -> Path:
        return self.root / "operator"

    @property
    def trino_server(self) -> Path:
        return self.root / "trino-server"

    @property
    def trino_data(self) -> Path:
        return self.root / "trino-data"

    @property
    def trino_authority(self) -> Path:
        """Of the certificate; no secret, since runs must read it."""
        return self.root / "trino-authority"

    @property
    def spark_server(self) -> Path:
        return self.root / "spark-server"

    def executor(self, kind: str) -> Path:
        return self.root / f"executor-{kind}"


def endpoint() -> str:
    """URL of the object store, the same inside and outside of the containers."""
    return f"http://{STORE_HOST}:{STORE_PORT}"


def catalog_url() -> str:
    """Of the Iceberg REST catalog, inside."""
    return f"http://{STORE_HOST}:{CATALOG_PORT}"


def kept(path: Path) -> str:
    """The secret in this file; made at random when it is missing."""
    if path.exists() and path.stat().st_size:
        return path.read_text().strip()
    value = secrets.token_urlsafe(32)
    write_private(path, value + "\n")
    return value
