"""``control-room-executor KIND``: one executor process, from settings to exit code.

Exit codes: 0 drained or done (``--once``), 2 a setting is wrong, or the control room refuses this executor for good (no
contract version in common, a kind or a workspace it does not know).
"""

from __future__ import annotations

import argparse
import fcntl
import os
import signal
import sys
import time
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from contract import models
from contract.client import NO_RETRY, ExecutorClient
from contract.errors import ContractError
from executors.runtime import sandbox
from executors.runtime.bundles import BundleStore
from executors.runtime.caps import KILL_SECONDS, MEMORY_SECONDS
from executors.runtime.cgroups import Delegated, delegated
from executors.runtime.connections import Connections
from executors.runtime.delivery import Delivery
from executors.runtime.engine_gate import EngineGate
from executors.runtime.environments import EnvironmentPolicy, Environments, Fitted, as_it_is
from executors.runtime.forks import ForkSpawner, make_spawner
from executors.runtime.health import NoteBook
from executors.runtime.installed import environment
from executors.runtime.journal import Journal
from executors.runtime.kinds import ExecutorKind, known_kinds, load_kind
from executors.runtime.measures import DATA_MARGIN_BYTES
from executors.runtime.process import Spawner, child_environment
from executors.runtime.settings import (
    ExecutorSettings,
    SettingsError,
    default_name,
    default_work_dir,
    hidden_paths,
    labels_of,
    names_of,
    paths_of,
    read_token,
    scrub,
)
from executors.runtime.signals import hear
from executors.runtime.warm import WarmPool, WarmSpec
from executors.runtime.worker import Identity, Worker
from executors.runtime.workshop import Workshop

MISUSE = 2
MOST_PROCESSES_PER_FOLDER = 1000


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point of ``control-room-executor``."""
    try:
        serve(parse(sys.argv[1:] if argv is None else argv))
    except (SettingsError, ContractError) as error:
        sys.stderr.write(f"control-room-executor: {error}\n")
        sys.exit(MISUSE)


def parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="control-room-executor",
        description="Executes runs of one kind for a control room. Options can also be set as OPS_ variables.",
    )
    parser.add_argument(
        "kind", metavar="KIND", help=f"one of: {', '.join(known_kinds())}; or a module: sqlite.executor"
    )
    parser.add_argument("--url", help="URL of the control room (OPS_URL)")
    parser.add_argument("--token-file", help="file that holds the executor's token (OPS_TOKEN_FILE)")
    parser.add_argument("--slots", help="runs executed at a time, 1 unless set (OPS_SLOTS)")
    parser.add_argument("--name", help="name shown on the dashboard (OPS_NAME)")
    parser.add_argument("--labels", help="name=value,name=value (OPS_LABELS)")
    parser.add_argument("--work-dir", help="folder for runs and cached bundles (OPS_WORK_DIR)")
    parser.add_argument("--connections-file", help="JSON file of connections (OPS_CONNECTIONS_FILE)")
    parser.add_argument("--once", action="store_true", help="execute what one claim brings, then leave")
    return parser.parse_args(argv)


def serve(options: argparse.Namespace) -> None:
    """Run the executor until it is drained."""
    kind = load_kind(options.kind)
    settings = read_settings(options)
    scrub(os.environ)
    sandbox.hide_own_memory()
    sandbox.adopt_orphans()
    plain = settings.log_format == "text" or (not settings.log_format and sys.stdout.isatty())
    journal = Journal(plain=plain).bind(kind=kind.kind)
    cgroup = delegated(settings.cgroup)
    # Before the token is read, so that no process that children are forked from has ever had to do with it.
    spawner = make_forks(kind, settings, journal) if kind.forked else Spawner()
    worker = make_worker(kind, settings, read_token(settings), journal, spawner, cgroup)
    hear((signal.SIGTERM, signal.SIGINT), lambda got: worker.drain(f"signal {signal.Signals(got).name}"))
    worker.run(once=options.once)


def make_forks(kind: ExecutorKind, settings: ExecutorSettings, journal: Journal) -> ForkSpawner | Spawner:
    return make_spawner(kind.child_module, journal, kind.preloaded, settings.warm_seconds if kind.rests else None)


def read_settings(options: argparse.Namespace) -> ExecutorSettings:
    """Settings from the environment, overridden by options."""
    given = {name: value for name, value in vars(options).items() if value is not None and name not in ("kind", "once")}
    try:
        settings = ExecutorSettings(**given)
    except ValidationError as error:
        first = error.errors()[0]
        name = f"OPS_{'_'.join(map(str, first['loc'])).upper()}"
        raise SettingsError(f"{name}: {first['msg']} (got {str(first['input'])[:100]!r})") from None
    if not settings.url:
        raise SettingsError("no control room: set OPS_URL or --url, for instance --url http://127.0.0.1:8080")
    return settings


def make_worker(
    kind: ExecutorKind,
    settings: ExecutorSettings,
    token: str,
    journal: Journal,
    spawner: Spawner | ForkSpawner,
    cgroup: Delegated | None = None,
) -> Worker:
    """Wire the parts together."""
    work_dir = (settings.work_dir or default_work_dir(kind.kind)).resolve()
    folder = own_folder(work_dir, kind.kind)
    kind.recover(sorted(path.name for path in made(folder / "runs").iterdir()))
    client, heartbeat_client = (make_client(settings.url, token, journal) for _ in range(2))
    connections = Connections(settings.connections_file)
    bundles = BundleStore(work_dir / "bundles", client)
    bundles.prune()
    fitted = make_environments(kind.environments, work_dir / "environments", journal)

    def make_shop(registration: models.Registration) -> Workshop:
        return Workshop(
            client=client,
            kind=kind,
            bundles=bundles,
            connections=connections,
            delivery=Delivery(client, connections, journal),
            spawn=make_pool(kind, settings, work_dir, folder) if kind.warm else spawner,
            spawn_own=Spawner(),
            journal=journal,
            runs_dir=made(folder / "runs"),
            hide=hidden_from_children(kind, settings, work_dir),
            visible=(sys.prefix, sys.base_prefix, str(Path(__file__).parents[2])),
            writable=tuple(paths_of(settings.writable)),
            log_chunk_bytes=registration.log_chunk_bytes,
            gate=EngineGate(kind.engine_trouble, journal),
            fitted=fitted,
            cgroup=cgroup,
            resume_bytes=settings.resume_bytes,
        )

    note = NoteBook(folder).beat
    return Worker(
        make_identity(kind, settings, cgroup), client, heartbeat_client, make_shop, journal, time.monotonic, note
    )


def hidden_from_children(kind: ExecutorKind, settings: ExecutorSettings, work_dir: Path) -> tuple[str, ...]:
    """Work of other runs and executors, secrets of this one and of its kind."""
    return (str(work_dir), *hidden_paths(settings, work_dir), *kind.secret_files)


def make_pool(kind: ExecutorKind, settings: ExecutorSettings, work_dir: Path, folder: Path) -> WarmPool:
    """Warm processes of a kind: they write below this executor's runs, and read no secret file and no other's work."""
    runs = made(folder / "runs")
    visible = (sys.prefix, sys.base_prefix, str(Path(__file__).parents[2]), str(runs))
    hide = hidden_from_children(kind, settings, work_dir)
    environment = child_environment(os.environ, runs, runs, kind.kind, {})
    return WarmPool(WarmSpec(kind.child_module, runs, environment, hide, visible, [str(runs)]), settings.warm_seconds)


def make_environments(policy: EnvironmentPolicy | None, folder: Path, journal: Journal) -> Fitted:
    if policy is None:
        return as_it_is
    environments = Environments(folder, policy, journal, Spawner())
    environments.prune()
    return environments.fitted


def make_client(url: str, token: str, journal: Journal) -> ExecutorClient:
    def warn(operation: str, deprecation: object) -> None:
        journal.warn("contract.deprecated", f"{deprecation}; upgrade this executor", operation=operation)

    try:
        return ExecutorClient(url, token, retry=NO_RETRY, on_deprecated=warn)
    except ValueError as error:
        raise SettingsError(str(error)) from None


def make_identity(kind: ExecutorKind, settings: ExecutorSettings, cgroup: Delegated | None = None) -> Identity:
    return Identity(
        name=settings.name or default_name(kind.kind),
        kind=kind.kind,
        version=metadata.version("lakehouse-control-room"),
        slots=settings.slots,
        labels=labels_of(settings.labels),
        workspaces=names_of(settings.workspaces),
        queues=names_of(settings.queues),
        capabilities=capabilities(kind, Connections(settings.connections_file).publishes(), cgroup)
        | {"environment": environment(settings.image)},
        claim_wait_seconds=settings.claim_wait_seconds,
        drain_seconds=settings.drain_seconds,
    )


def capabilities(
    kind: ExecutorKind, publishes: Sequence[str] = ("delta", "object"), cgroup: Delegated | None = None
) -> dict[str, Any]:
    """The kind's own, and what the runtime gives to all kinds on this machine. publishes: formats that the
    executor's connections and libraries allow; a kind has those of them that it knows."""
    own = kind.capabilities()
    known = [form for form in own.get("publish", ["delta"]) if form in publishes]
    shared = {
        "cancel": "full",
        "caps": {
            **dict.fromkeys(("wall_seconds", "log_bytes", "artifact_bytes", "artifact_count"), "full"),
            **dict.fromkeys(("memory_bytes", "cpu_seconds"), "sampled"),
            **dict.fromkeys(sorted(kind.tells), "told"),
        },
        # By how much memory may pass its cap: see spec/docs/reference/caps.md.
        **({} if kind.warm else {"caps.memory": memory_cap(kind, cgroup)}),
        # Data is staged, and committed for the accepted epoch alone.
        "writes": dict.fromkeys(known, "fenced"),
        "isolation": "landlock" if sandbox.landlock_abi() >= sandbox.ABI_REFER else "process",
    }
    return shared | own | ({"publish": known} if "publish" in own else {})


def memory_cap(kind: ExecutorKind, cgroup: Delegated | None) -> dict[str, Any]:
    """How a cap of memory is held, and by how much it may be passed: spec/docs/reference/caps.md."""
    margin = {"rlimit_margin_bytes": DATA_MARGIN_BYTES} if kind.limited_data else {}
    if cgroup:
        return {"mechanism": cgroup.mechanism, "bound": "0 bytes of what is charged to it", **margin}
    mechanism = "sampled and rlimit_data" if margin else "sampled"
    return {"mechanism": mechanism, "bound": f"{MEMORY_SECONDS + KILL_SECONDS:g} s of allocation", **margin}


def own_folder(work_dir: Path, kind: str) -> Path:
    """This process's own folder below the work folder: the first one nobody holds, so leftovers are found again."""
    try:
        work_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        for index in range(MOST_PROCESSES_PER_FOLDER):
            if hold(made(work_dir / f"{kind}-{index}") / "lock"):
                return work_dir / f"{kind}-{index}"
    except OSError as error:
        raise SettingsError(f"the work folder {work_dir} cannot be used: {error.strerror}; set OPS_WORK_DIR") from None
    raise SettingsError(f"the work folder {work_dir} is in use by {MOST_PROCESSES_PER_FOLDER} executors")


def hold(path: Path) -> bool:
    """Lock a file for the life of this process; False when another process holds it."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return False
    return True


def made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


if __name__ == "__main__":
    main()
