"""A ceiling for request bodies, counted as they stream in."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from contract.errors import PayloadTooLarge, make

BODY_BYTES = 4 << 20
LOG_BODY_BYTES = 1 << 20
# A body over the limit is read on and thrown away up to here, so that its sender gets to read the answer.
DRAIN_BYTES = 64 << 20
EXECUTOR_LIMITS: Mapping[str, int] = {r"/executor/v1/runs/[^/]+/logs": LOG_BODY_BYTES}


def too_large(limit: int) -> PayloadTooLarge:
    """413, naming the limit in bytes."""
    error = make("payload_too_large", f"the body is larger than {limit} bytes", hint="send less at a time", limit=limit)
    assert isinstance(error, PayloadTooLarge)
    return error


class BodyLimit:
    """ASGI middleware: reading a body over its limit raises payload_too_large; memory holds no more than the limit.

    limit: bytes; overrides: limit by regular expression of the whole path.
    """

    def __init__(self, app: ASGIApp, limit: int = BODY_BYTES, overrides: Mapping[str, int] = EXECUTOR_LIMITS) -> None:
        self.app, self.limit = app, limit
        self._overrides = [(re.compile(pattern), bytes_) for pattern, bytes_ in overrides.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        await self.app(scope, _Counter(receive, self._limit_of(scope["path"]), scope).receive, send)

    def _limit_of(self, path: str) -> int:
        return next((limit for pattern, limit in self._overrides if pattern.fullmatch(path)), self.limit)


@dataclass
class _Counter:
    source: Receive
    limit: int
    scope: Scope
    count: int = field(default=0)

    async def receive(self) -> Message:
        if self.count == 0 and self._announced() > self.limit:
            await self._refuse(self._waits_for_leave())
        message = await self.source()
        self.count += len(message.get("body", b""))
        if self.count > self.limit:
            await self._refuse(not message.get("more_body", False))
        return message

    async def _refuse(self, done: bool) -> None:
        while not done and self.count <= DRAIN_BYTES:
            message = await self.source()
            self.count += len(message.get("body", b""))
            done = message["type"] == "http.disconnect" or not message.get("more_body", False)
        raise too_large(self.limit)

    def _header(self, name: bytes) -> bytes:
        return next((value for found, value in self.scope["headers"] if found == name), b"")

    def _announced(self) -> int:
        value = self._header(b"content-length")
        return int(value) if value.isdigit() else 0

    def _waits_for_leave(self) -> bool:
        # Expect: 100-continue: the sender holds the body back until it is asked for; it need not be sent at all.
        return self._header(b"expect").lower() == b"100-continue"
