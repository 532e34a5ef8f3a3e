"""The object store's sockets in /tmp: ours go, another user's are stepped aside for."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from control_room.local import ports, sockets


@pytest.fixture
def left() -> Iterator[tuple[int, Path]]:
    """A port and a socket that a dead store left for it."""
    [port] = ports.choose(1)
    path = sockets.FOLDER / f"seaweedfs-filer-grpc-{port}.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
    yield port, path
    path.unlink(missing_ok=True)


def test_what_our_store_left_is_removed_and_other_ports_are_not_touched(left: tuple[int, Path]) -> None:
    port, path = left
    sockets.remove_own([port + 1])
    assert path.exists()
    sockets.remove_own([port])
    assert not path.exists()


def test_our_own_socket_is_in_nobodys_way(left: tuple[int, Path]) -> None:
    port, _ = left
    assert sockets.foreign(port) is None
    assert ports.is_free(port)


def test_another_users_socket_is_named(left: tuple[int, Path]) -> None:
    port, path = left
    assert sockets.foreign(port, us=os.geteuid() + 1) == path


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a file that belongs to another user")
def test_a_port_with_another_users_socket_is_not_free_and_the_file_is_named_and_kept(left: tuple[int, Path]) -> None:
    port, path = left
    os.chown(path, 65534, 65534)
    assert not ports.is_free(port)
    chosen, notes = ports.settle({"s3_filer_grpc": port}, {}, ())
    assert chosen["s3_filer_grpc"] != port
    assert notes == [f"port {port} (s3_filer_grpc) was taken by another user's {path}; another one was chosen"]
    sockets.remove_own([port])
    assert path.exists()
