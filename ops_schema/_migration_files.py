"""Migration files: read, verified against their frozen hashes, and built from the sources in sql/.

sql/ says what the schema is, one file per thing; migrations/ says how a database gets there, append-only. A test holds
the two to the same dump. Sources load in this order: roles (which also makes the schema and steps down to its owner),
tables, functions/core, functions/edge, views, grants; by name within each.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ops_schema.errors import MigrationEdited, MigrationError

HERE: Final = Path(__file__).parent
SOURCES: Final = HERE / "sql"
MIGRATIONS: Final = HERE / "migrations"
ORDER: Final = ("roles", "tables", "functions/core", "functions/edge", "views", "grants")
FILE_NAME: Final = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
COMPATIBLE: Final = re.compile(r"^-- compatible-from: (\d+)$", re.MULTILINE)

HEAD: Final = """\
-- Built from ops_schema/sql by `python -m ops_schema.migrate regenerate-initial`; edit the sources, not this file.
-- compatible-from: 1
set local check_function_bodies = off;
set local client_min_messages = warning;
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of migrations/. compatible_from: the oldest version whose program still runs on this schema."""

    version: int
    name: str
    sql: str
    sha256: str
    compatible_from: int

    @property
    def file_name(self) -> str:
        return f"{self.version:04d}_{self.name}.sql"


def digest(text: str) -> str:
    """sha256 of the text in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def source_files(root: Path = SOURCES) -> list[Path]:
    """Every source file in load order."""
    return [path for folder in ORDER for path in sorted((root / folder).glob("*.sql"))]


def build_initial(root: Path = SOURCES) -> str:
    """The sources as one script, to be run in one transaction."""
    return "\n".join([HEAD, *(_section(path, root) for path in source_files(root))])


def _section(path: Path, root: Path) -> str:
    return f"-- {path.relative_to(root).as_posix()}\n{path.read_text(encoding='utf-8').rstrip()}\n"


@dataclass(frozen=True, slots=True)
class Hashes:
    """hashes.json. files: file name -> frozen sha256; released: the highest version that went out to users."""

    files: dict[str, str]
    released: int


def read_hashes(folder: Path = MIGRATIONS) -> Hashes:
    """What is frozen."""
    return Hashes(**json.loads((folder / "hashes.json").read_text(encoding="utf-8")))


def write_hashes(hashes: Hashes, folder: Path = MIGRATIONS) -> None:
    """Freeze: one line per file, in order."""
    text = json.dumps({"released": hashes.released, "files": dict(sorted(hashes.files.items()))}, indent=2) + "\n"
    (folder / "hashes.json").write_text(text, encoding="utf-8")


def read_migration(path: Path) -> Migration:
    """One file, not yet verified."""
    match = FILE_NAME.fullmatch(path.name)
    if match is None:
        raise MigrationError(f"{path.name}: a migration is named NNNN_words.sql; rename or remove it")
    sql = path.read_text(encoding="utf-8")
    version = int(match[1])
    compatible = COMPATIBLE.search(sql)
    return Migration(version, match[2], sql, digest(sql), int(compatible[1]) if compatible else version)


def known_migrations(folder: Path = MIGRATIONS) -> list[Migration]:
    """Every migration this program knows, in order, each verified against its frozen hash."""
    found = [read_migration(path) for path in sorted(folder.glob("*.sql"))]
    _verify_numbers(found)
    _verify_hashes(found, read_hashes(folder).files)
    return found


def _verify_numbers(found: list[Migration]) -> None:
    for expected, migration in enumerate(found, start=1):
        if migration.version != expected:
            raise MigrationError(f"{migration.file_name}: expected number {expected:04d}; numbers run on without gaps")


def _verify_hashes(found: list[Migration], frozen: dict[str, str]) -> None:
    for migration in found:
        if frozen.get(migration.file_name) != migration.sha256:
            raise MigrationEdited(
                f"{migration.file_name} differs from its frozen hash. Restore the file and put the change into a new "
                "migration; a migration that is new here is frozen by `python -m ops_schema.migrate freeze`"
            )
    missing = sorted(set(frozen) - {migration.file_name for migration in found})
    if missing:
        raise MigrationEdited(f"{', '.join(missing)}: frozen in hashes.json but not there; restore from Git")
