"""What the supervisor needs to know about a service."""

from __future__ import annotations

import hashlib
import json
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from control_room.local.folder import StackFolder
from control_room.local.processes import MARKER, Identity
from control_room.local.state import StackState

# Proxies are left out on purpose: all that a service of the stack calls is on the loopback interface.
PASSED_ON = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "PYTHONPATH",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
)


class NotReady(Exception):  # noqa: N818 - it is a state, and says why
    """The service does not answer yet; the text says what was seen."""


@dataclass(frozen=True)
class Launch:
    """How to start a process; its digest tells whether one that runs already was started the same way."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path
    log: Path
    fingerprint: str = ""

    @property
    def digest(self) -> str:
        described = [self.argv, sorted(self.env.items()), str(self.cwd), self.fingerprint]
        return hashlib.sha256(json.dumps(described).encode()).hexdigest()[:16]


class Service:
    """A supervised process. Subclasses say how it is prepared, started and probed."""

    name = ""
    needs: tuple[str, ...] = ()  # must be ready before this one starts
    ports: tuple[str, ...] = ()  # names of ports it listens on, the main one first
    core = True  # without it the stack is of no use
    stop_signal = signal.SIGTERM
    stop_seconds = 10.0
    start_seconds = 60.0  # from start to ready
    hang_seconds = 60.0  # probes fail that long while the process lives: it is restarted
    probe_interval = 5.0

    def __init__(self, folder: StackFolder, state: StackState):
        self.folder = folder
        self.state = state

    @property
    def memory_cap_bytes(self) -> int | None:
        """What the process was told to keep its heap below, if it has one."""
        return None

    def prepare(self) -> None:
        """Blocking work before each start; raises ControlRoomError with a next step."""

    def launch(self) -> Launch:
        raise NotImplementedError

    async def probe(self, identity: Identity) -> None:
        """Return when the service is ready, raise NotReady when it is not."""
        raise NotImplementedError

    def worn(self, identity: Identity) -> str:
        """Why a service that answers should be started anew now, "" when it should not. Blocks; asked after probes."""
        return ""

    def port(self, name: str) -> int:
        return self.state.ports[name]

    def environment(self, **extra: str) -> dict[str, str]:
        """A small environment: what every program needs, our mark, and `extra`."""
        passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        passed.setdefault("HOME", str(self.folder.root))
        return {**passed, MARKER: f"{self.state.stack_id}:{self.name}", **extra}


def files_fingerprint(*paths: Path) -> str:
    """Digest of the contents of small configuration files, so that a changed secret restarts its users."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes() if path.exists() else b"")
    return digest.hexdigest()[:16]
