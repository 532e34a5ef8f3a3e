"""A lean HTTP/1.1 client: one connection, kept alive, one request at a time. What a fast executor would have."""

from __future__ import annotations

import asyncio
import re
from typing import cast

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class HttpError(Exception):
    """An answer other than 2xx, or a connection that ended."""


class Connection(asyncio.Protocol):
    """`request` sends a body and answers the body that came back. Raises HttpError."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._expected: tuple[int, int] | None = None
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def open(cls, host: str, port: int) -> Connection:
        _, connection = await asyncio.get_running_loop().create_connection(cls, host, port)
        return connection

    async def request(self, head: bytes, body: bytes) -> bytes:
        """head: the request line and headers without content-length and without the blank line."""
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(b"%s\r\ncontent-length: %d\r\n\r\n%s" % (head, len(body), body))
        status, answer = await self._answer
        if not 200 <= status < 300:
            raise HttpError(f"{head.split(b' HTTP')[0].decode()}: {status} {answer[:500].decode(errors='replace')}")
        return answer

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one by its methods alone

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(HttpError(f"the connection ended: {exc or 'closed by the server'}"))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._expected is None:
            self._read_head()
        if self._expected is not None and len(self._buffer) >= self._expected[1]:
            self._finish(*self._expected)

    def _read_head(self) -> None:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self._buffer[:end])
        found = _LENGTH.search(head)
        del self._buffer[: end + 4]
        self._expected = (int(head[9:12]), int(found[1]) if found else 0)

    def _finish(self, status: int, length: int) -> None:
        body = bytes(self._buffer[:length])
        del self._buffer[:length]
        self._expected = None
        if self._answer is not None and not self._answer.done():
            self._answer.set_result((status, body))


def head(method: str, path: str, token: str, host: str) -> bytes:
    """The head of a JSON request."""
    lines = [f"{method} {path} HTTP/1.1", f"host: {host}", f"authorization: Bearer {token}"]
    return "\r\n".join([*lines, "content-type: application/json", "accept: application/json"]).encode()
