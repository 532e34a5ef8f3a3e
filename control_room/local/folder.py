"""The data folder of one embedded stack: where each thing lives, and who may read it."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from control_room.errors import FAILED, MISUSE, ControlRoomError

LOW_DISK_BYTES = 256 * 1024 * 1024
FOLDERS = ("secrets", "s3", "logs", "work", "reports")


@dataclass(frozen=True)
class StackFolder:
    """Paths under `root` (absolute). Folders are 0700, files with secrets 0600; `root` itself only lets pass (0711),
    so that a Postgres that had to step down from root reaches its own folder."""

    root: Path

    @classmethod
    def at(cls, path: str | Path) -> StackFolder:
        return cls(Path(path).expanduser().absolute())

    @property
    def state_file(self) -> Path:
        return self.root / "stack.json"

    @property
    def lock_file(self) -> Path:
        return self.root / "supervisor.lock"

    @property
    def stop_request(self) -> Path:
        return self.root / "stop.request"

    @property
    def engines_request(self) -> Path:
        return self.root / "engines.request"

    @property
    def pg(self) -> Path:
        return self.root / "pg"

    @property
    def s3(self) -> Path:
        return self.root / "s3"

    @property
    def trino(self) -> Path:
        return self.root / "trino"

    @property
    def spark(self) -> Path:
        return self.root / "spark"

    @property
    def private(self) -> tuple[Path, ...]:
        """What user code has no business with: files of database, store and engines, secrets, logs, state."""
        return (self.pg, self.s3, self.trino, self.spark, self.root / "secrets", self.root / "logs", self.state_file)

    @property
    def reports(self) -> Path:
        return self.root / "reports"

    def secret(self, name: str) -> Path:
        return self.root / "secrets" / name

    def log(self, service: str) -> Path:
        return self.root / "logs" / f"{service}.log"

    def work(self, service: str) -> Path:
        return self.root / "work" / service

    def ensure(self) -> None:
        """Make the folders. Refuses a folder that cannot be written and a disk that is (nearly) full."""
        try:
            self._make_folders()
        except OSError as error:
            raise _unusable(self.root, error) from error
        free = shutil.disk_usage(self.root).free
        if free < LOW_DISK_BYTES:
            raise ControlRoomError(
                f"the disk is full: {free // 2**20} MiB are left, at least {LOW_DISK_BYTES // 2**20} MiB are needed",
                where=str(self.root),
                next_step="free some space, or put the data elsewhere with --data-dir",
                exit_code=FAILED,
            )

    def _make_folders(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True, mode=0o711)
        for name in FOLDERS:
            (self.root / name).mkdir(exist_ok=True, mode=0o700)
        (self.root / "secrets").chmod(0o700)
        self._keep_out_of_git()
        probe = self.root / ".writable"
        probe.write_bytes(b"")
        probe.unlink()

    def _keep_out_of_git(self) -> None:
        ignore = self.root / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n")

    def random_secret(self, name: str, nbytes: int = 32) -> str:
        """The secret kept under this name; made at random when it is missing."""
        path = self.secret(name)
        if path.exists() and path.stat().st_size:
            return path.read_text().strip()
        value = secrets.token_urlsafe(nbytes)
        write_private(path, value + "\n")
        return value

    def s3_key(self, name: str) -> dict[str, str]:
        """{access_key, secret_key} kept as JSON under this name; made at random when it is missing."""
        path = self.secret(name)
        if path.exists() and path.stat().st_size:
            kept: dict[str, str] = json.loads(path.read_text())
            return kept
        key = {"access_key": "CR" + secrets.token_hex(9).upper(), "secret_key": secrets.token_urlsafe(30)}
        write_private(path, json.dumps(key) + "\n")
        return key


def write_private(path: Path, text: str) -> None:
    """Replace the file in one step, with mode 0600 from its first byte; a crash leaves the old or the new content."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise


def write_private_json(path: Path, value: Any) -> None:
    write_private(path, json.dumps(value, indent=2, sort_keys=True) + "\n")


def _unusable(root: Path, error: OSError) -> ControlRoomError:
    return ControlRoomError(
        f"the data folder cannot be written: {error.strerror or error}",
        where=str(error.filename or root),
        next_step="check its owner and free space, or choose another with --data-dir",
        exit_code=MISUSE,
    )
