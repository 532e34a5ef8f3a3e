"""A TCP relay before the control room that can lose answers: the request arrives, its answer does not."""

from __future__ import annotations

import socket
import threading
from dataclasses import dataclass


@dataclass
class Loss:
    """Lose the next answer to a request whose path ends in ``path``, if the answer holds ``containing``."""

    path: bytes
    containing: bytes = b""


class Proxy:
    """One answer is lost per call of ``lose_answer``; ``lost`` counts them."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._losses: list[Loss] = []
        self.lost = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def lose_answer(self, path: str, containing: bytes = b"") -> None:
        self._losses.append(Loss(path.encode(), containing))

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        """Requests of one connection, one after the other."""
        with client, socket.create_connection(("127.0.0.1", self._port)) as server:
            try:
                while request := read_message(client):
                    # The body is here already: nobody needs to say that it may come.
                    server.sendall(request.replace(b"Expect: 100-continue\r\n", b"", 1))
                    answer = read_message(server, bodiless=request.startswith(b"HEAD "))
                    if self._loses(request.split(b" ", 2)[1], answer):
                        return
                    client.sendall(answer)
            except OSError:
                return

    def _loses(self, path: bytes, answer: bytes) -> bool:
        for loss in self._losses:
            if path.endswith(loss.path) and loss.containing in answer:
                self._losses.remove(loss)
                self.lost += 1
                return True
        return False


def read_message(source: socket.socket, *, bodiless: bool = False) -> bytes:
    """One HTTP/1.1 message with its body by Content-Length, unless it has none; b"" at the end."""
    data = b""
    while b"\r\n\r\n" not in data:
        if not (more := source.recv(65536)):
            return b""
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    while len(body) < length and not bodiless:
        if not (more := source.recv(65536)):
            return b""
        body += more
    return head + b"\r\n\r\n" + body
