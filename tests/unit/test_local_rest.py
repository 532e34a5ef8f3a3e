"""A server that has grown and that nobody uses is started anew; one at work, or as small as ever, is not."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from control_room.local.rest import Rest

IDLE_SECONDS = 600.0
SERVER = """
import socket, sys
desk = socket.create_server(("127.0.0.1", 0))
print(desk.getsockname()[1], flush=True)
kept = [desk.accept()]
for line in sys.stdin:
    kept.append(b"x" * int(line))
    print("kept", flush=True)
"""


class Server:
    """A process with one client, and as much memory as it is told."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.port = int(self._line())
        self.client = socket.create_connection(("127.0.0.1", self.port))
        self.now = 100.0

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def grow(self, size: int) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{size}\n")
        self.process.stdin.flush()
        assert self._line() == "kept\n"

    def rest(self, patience: float = IDLE_SECONDS) -> Rest:
        return Rest(self.process.pid, self.port, patience, lambda: self.now)


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()
    try:
        yield found
    finally:
        found.client.close()
        found.process.kill()
        found.process.communicate()


def test_one_that_has_grown_and_that_nobody_uses_is_worn_after_its_time(server: Server) -> None:
    rest = server.rest()
    assert rest.worn() == ""
    server.grow(100 * 2**20)
    server.now += 10 * IDLE_SECONDS
    assert rest.worn() == "", "it has a client"
    server.client.close()
    server.now += IDLE_SECONDS - 1
    assert rest.worn() == "", "its client has just gone"
    server.now += 2
    assert "no client for 601 s" in rest.worn()


def test_one_that_has_not_grown_is_left(server: Server) -> None:
    server.client.close()
    rest = server.rest()
    assert rest.worn() == ""
    server.now += 10 * IDLE_SECONDS
    assert rest.worn() == ""


def test_another_time_may_be_told_and_zero_is_never(server: Server) -> None:
    server.client.close()
    soon, never = server.rest(5.0), server.rest(0.0)
    assert (soon.worn(), never.worn()) == ("", "")
    server.grow(100 * 2**20)
    server.now += 6
    assert soon.worn() != ""
    assert never.worn() == ""


def test_one_that_has_ended_is_not_worn(server: Server) -> None:
    rest = server.rest()
    assert rest.worn() == ""
    server.process.kill()
    server.process.wait()
    assert rest.worn() == ""
