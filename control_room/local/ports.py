"""Ports: chosen once by the operating system, remembered, and given up only when someone else has taken them."""

from __future__ import annotations

import socket
from collections.abc import Collection, Mapping

import psutil

from control_room.errors import FAILED, ControlRoomError
from control_room.local import sockets

NAMES = (
    "server",
    "postgres",
    "s3",
    "s3_grpc",
    "s3_master",
    "s3_master_grpc",
    "s3_volume",
    "s3_volume_grpc",
    "s3_filer",
    "s3_filer_grpc",
    "s3_admin",
    "s3_admin_grpc",
    "s3_iceberg",
    "trino",
    "trino_internal",
    "spark",
)
LOOPBACK = "127.0.0.1"
LAST = 65535
# SeaweedFS's own worker looks for the admin's gRPC 10,000 above its port, whatever that is told to be.
HIGHEST = {"s3_admin": LAST - 10_000}


def is_free(port: int) -> bool:
    """Whether one of our services could listen on the port now."""
    if sockets.foreign(port):
        return False
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def choose(count: int, avoid: Collection[int] = (), highest: int = LAST) -> list[int]:
    """`count` distinct free ports. All probes stay bound until the last is chosen, so none comes twice."""
    probes: list[socket.socket] = []
    chosen: list[int] = []
    try:
        while len(chosen) < count:
            probe = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            probes.append(probe)
            probe.bind((LOOPBACK, 0))
            port = probe.getsockname()[1]
            if port <= highest and port not in avoid and not sockets.foreign(port):
                chosen.append(port)
    finally:
        for probe in probes:
            probe.close()
    return chosen


def choose_for(name: str, avoid: Collection[int]) -> int:
    """A free port that the service of this name can have."""
    return choose(1, avoid, HIGHEST.get(name, LAST))[0]


def settle(
    remembered: Mapping[str, int], pinned: Mapping[str, int], in_use_by_us: Collection[int]
) -> tuple[dict[str, int], list[str]]:
    """Ports for this start, and a note for each that had to move.

    pinned: what the user insists on; taken by another process it is an error. in_use_by_us: ports held by services of
    this stack that are going to be adopted or stopped.
    """
    ports: dict[str, int] = {}
    notes: list[str] = []
    for name, port in {**remembered, **pinned}.items():
        if port in in_use_by_us or (name in pinned and is_free(port)):
            ports[name] = port
        elif port > HIGHEST.get(name, LAST):
            continue
        elif is_free(port):
            ports[name] = port
        elif name in pinned:
            raise taken(name, port)
        else:
            notes.append(f"port {port} ({name}) was taken by {holder(port)}; another one was chosen")
    for name in [name for name in HIGHEST if name not in ports]:
        ports[name] = choose_for(name, ports.values())
    missing = [name for name in NAMES if name not in ports]
    ports.update(zip(missing, choose(len(missing), ports.values()), strict=True))
    return ports, notes


def taken(name: str, port: int) -> ControlRoomError:
    return ControlRoomError(
        f"port {port} for {name} is taken by {holder(port)}",
        where=f"{LOOPBACK}:{port}",
        next_step="stop that process, pin another port, or pin none and let the stack choose",
        exit_code=FAILED,
    )


def holder(port: int) -> str:
    """Who listens on the port or is in its way, as far as we may see."""
    left = sockets.foreign(port)
    if left is not None:
        return f"another user's {left}"
    try:
        for connection in psutil.net_connections("tcp"):
            address = tuple(connection.laddr)
            if connection.status == psutil.CONN_LISTEN and address[1:2] == (port,) and connection.pid:
                return f"pid {connection.pid} ({psutil.Process(connection.pid).name()})"
    except psutil.Error:
        pass
    return "another process"
