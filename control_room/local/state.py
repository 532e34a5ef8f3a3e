"""stack.json: what the supervisor knows, for the next supervisor and for `status`. Written whole, in one step."""

from __future__ import annotations

import json
import uuid
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from control_room.errors import FAILED, ControlRoomError
from control_room.local.folder import StackFolder, write_private_json
from control_room.local.processes import Identity

FORMAT = 1
DEFAULT_EXECUTORS = {"python": 2, "dbt": 1, "notebook": 1, "duckdb": 1}


@dataclass
class ServiceRecord:
    """One service. state: stopped, starting, ready, unhealthy, backoff or failed; times in seconds or ISO-8601."""

    name: str
    state: str = "stopped"
    pid: int | None = None
    create_time: float | None = None
    started_at: str | None = None
    ready_seconds: float | None = None
    digest: str = ""
    restarts: int = 0
    adopted: bool = False
    last_error: str | None = None  # stays on record when the service has healed
    last_error_at: str | None = None
    port: int | None = None
    memory_cap_bytes: int | None = None
    log: str = ""

    @property
    def identity(self) -> Identity | None:
        if self.pid is None or self.create_time is None:
            return None
        return Identity(self.pid, self.create_time)

    def set_identity(self, identity: Identity | None) -> None:
        self.pid = identity.pid if identity else None
        self.create_time = identity.create_time if identity else None


@dataclass
class StackState:
    """The whole stack. phase: stopped, starting, ready, degraded, stopping or failed."""

    stack_id: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    format: int = FORMAT
    phase: str = "stopped"
    version: str = ""
    problem: dict[str, str] | None = None
    started_at: str | None = None
    ready_seconds: float | None = None
    supervisor: dict[str, float] | None = None
    ports: dict[str, int] = field(default_factory=dict)
    pinned: dict[str, int] = field(default_factory=dict)
    executors: dict[str, int] = field(default_factory=dict)
    engines: dict[str, str] = field(default_factory=dict)  # engine -> heap, for instance 1G
    command: dict[str, str] = field(default_factory=dict)  # OPS_COMMAND_ variables of the command executor
    urls: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    services: dict[str, ServiceRecord] = field(default_factory=dict)

    @property
    def supervisor_identity(self) -> Identity | None:
        if not self.supervisor:
            return None
        return Identity(int(self.supervisor["pid"]), self.supervisor["create_time"])

    def supervised(self) -> bool:
        identity = self.supervisor_identity
        return identity is not None and identity.alive()

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def load(folder: StackFolder) -> StackState:
    """What is on record; a new state when there is none. A file of a later version of this program is refused."""
    try:
        stored = json.loads(folder.state_file.read_text())
    except FileNotFoundError:
        return StackState()
    except (OSError, ValueError) as error:
        raise ControlRoomError(
            f"stack.json cannot be read: {error}",
            where=str(folder.state_file),
            next_step="move the file away and run `control-room up`; the data is elsewhere and stays",
            exit_code=FAILED,
        ) from error
    return _from_json(stored, folder)


def save(folder: StackFolder, state: StackState) -> None:
    write_private_json(folder.state_file, state.to_json())


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _from_json(stored: dict[str, Any], folder: StackFolder) -> StackState:
    if stored.get("format", 0) > FORMAT:
        raise ControlRoomError(
            "this stack was last used by a newer version of Control Room",
            where=str(folder.state_file),
            next_step="install that version again, or use another folder with --data-dir",
        )
    services = {name: ServiceRecord(**record) for name, record in stored.pop("services", {}).items()}
    return StackState(**stored, services=services)
