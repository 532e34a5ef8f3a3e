"""What all attempts of one executor share."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from contract.client import ExecutorClient
from executors.runtime.bundles import BundleStore
from executors.runtime.cgroups import Delegated
from executors.runtime.connections import Connections
from executors.runtime.delivery import Delivery
from executors.runtime.engine_gate import EngineGate
from executors.runtime.environments import Fitted, as_it_is
from executors.runtime.forks import ForkSpawner
from executors.runtime.journal import Journal
from executors.runtime.kinds import ExecutorKind
from executors.runtime.process import Spawner
from executors.runtime.settings import RESUME_BYTES
from executors.runtime.warm import WarmPool


@dataclass(frozen=True)
class Workshop:
    """The parts of an executor that outlive its attempts."""

    client: ExecutorClient
    kind: ExecutorKind
    bundles: BundleStore
    connections: Connections
    delivery: Delivery
    spawn: Spawner | ForkSpawner | WarmPool
    spawn_own: Spawner
    journal: Journal
    runs_dir: Path
    hide: tuple[str, ...]
    visible: tuple[str, ...]
    writable: tuple[str, ...]
    log_chunk_bytes: int
    gate: EngineGate
    fitted: Fitted = as_it_is
    cgroup: Delegated | None = None
    resume_bytes: int = RESUME_BYTES
    clock: Callable[[], float] = time.monotonic
