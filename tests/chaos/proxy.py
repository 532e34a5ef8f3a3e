"""A bad network between executors and the control room: it cuts, delays, repeats, loses and reorders.

It relays HTTP/1.1 message by message, so that a fault falls on a whole request or a whole answer. Faults are ordered by
`disturb`, and counted when they happen to a message.
"""

from __future__ import annotations

import contextlib
import random
import socket
import threading
import time
from collections import Counter

from tests.executors.proxy import read_message

KINDS = ("cut", "delay", "duplicate", "lose", "reorder")
LONGEST_DELAY_SECONDS = 1.0
REORDER_SECONDS = 2.0


class BadNetwork:
    """One port before the server's. `counts`: the messages hit, by kind."""

    def __init__(self, port: int, chance: random.Random) -> None:
        self._port, self._chance = port, chance
        self.counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._passed = threading.Condition()
        self._orders: Counter[str] = Counter()
        self._down_until = 0.0
        self._sockets: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def disturb(self, kind: str, messages: int = 1, seconds: float = 0.0) -> None:
        """cut: all connections now, and new ones for so many seconds; the others: the next so many messages."""
        if kind != "cut":
            with self._lock:
                self._orders[kind] += messages
            return
        with self._lock:
            self._down_until = time.monotonic() + seconds
            cut = list(self._sockets)
        for each in cut:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self.counts["cut"] += 1

    def calm(self) -> None:
        """Work well from now on."""
        with self._lock:
            self._orders.clear()
            self._down_until = 0.0

    def close(self) -> None:
        self._listener.close()
        self.disturb("cut")

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if time.monotonic() < self._down_until:
                client.close()
            else:
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client, self._upstream() as server:
            with self._lock:
                self._sockets |= {client, server}
            try:
                while (request := read_message(client)) and self._relay(request, client, server):
                    pass
            finally:
                with self._lock:
                    self._sockets -= {client, server}

    def _upstream(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self._port))

    def _relay(self, request: bytes, client: socket.socket, server: socket.socket) -> bool:
        """Pass one request and its answer on; False when the connection is over."""
        fault = self._next()
        if fault == "delay":
            time.sleep(self._chance.uniform(0.05, LONGEST_DELAY_SECONDS))
        elif fault == "reorder":
            self._let_another_pass()
        elif fault == "duplicate":
            with self._upstream() as twin:
                twin.sendall(request)
                read_message(twin)
        server.sendall(request)
        with self._passed:
            self._passed.notify_all()
        answer = read_message(server)
        if not answer or fault == "lose":
            return False
        client.sendall(answer)
        return True

    def _next(self) -> str | None:
        with self._lock:
            kind = next((kind for kind in KINDS if self._orders[kind] > 0), None)
            if kind:
                self._orders[kind] -= 1
                self.counts[kind] += 1
            return kind

    def _let_another_pass(self) -> None:
        """Hold this request back until a later one has gone, or for a while."""
        with self._passed:
            self._passed.wait(REORDER_SECONDS)
