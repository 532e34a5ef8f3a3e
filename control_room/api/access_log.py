"""One line per request: method, path, status, milliseconds. Never the query, a header or a body: secrets live there."""

from __future__ import annotations

import logging
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger("control_room.access")
# Asked every second or so; a line each would bury the rest.
_QUIET = frozenset({"/healthz"})


class AccessLog:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in _QUIET:
            await self.app(scope, receive, send)
            return
        started, status = time.monotonic(), 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, watched)
        finally:
            spent = (time.monotonic() - started) * 1000
            # ascii(): a path may hold anything, line breaks too.
            log.info("method=%s path=%s status=%d ms=%.0f", scope["method"], ascii(scope["path"])[1:-1], status, spent)
