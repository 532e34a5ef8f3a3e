"""Operations that the document marks `deprecated: true`, and the middleware that says so on each of their answers.

The document says since when in `x-deprecated-since` and, once the day is set, until when in `x-sunset`: dates.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import yaml
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from contract._calls import PREFIX
from contract.deprecation import Deprecation, of_days

METHODS = frozenset({"get", "post", "put", "patch", "delete"})
Marked = tuple[tuple[str, re.Pattern[str], Deprecation], ...]  # (method, path, since when)


def read_marked(document: Path) -> Marked:
    """The deprecated operations of a document. ValueError when one does not say since when."""
    text = document.read_text("utf-8")
    # Reading all of it takes a third of a second of each start; mostly there is nothing to find.
    return tuple(marked(yaml.safe_load(text))) if "deprecated: true" in text else ()


def marked(document: Mapping[str, Any]) -> Iterator[tuple[str, re.Pattern[str], Deprecation]]:
    """The deprecated operations of a document that was read."""
    for path, item in document["paths"].items():
        for method in METHODS & item.keys():
            if item[method].get("deprecated"):
                yield method.upper(), _pattern(path), _deprecation(item[method])


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.escape(PREFIX) + re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path)))


def _deprecation(operation: Mapping[str, Any]) -> Deprecation:
    since, sunset = operation.get("x-deprecated-since"), operation.get("x-sunset")
    if since is None:
        raise ValueError(f"{operation['operationId']} is deprecated: say since when in x-deprecated-since")
    return of_days(_day(since), None if sunset is None else _day(sunset))


def _day(value: str | date) -> date:
    """YAML reads an unquoted date as one."""
    return value if isinstance(value, date) else date.fromisoformat(value)


class Deprecations:
    """ASGI middleware: each answer of a deprecated operation, errors too, carries the headers of its deprecation."""

    def __init__(self, app: ASGIApp, found: Marked) -> None:
        self.app, self.found = app, found

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        deprecation = self._of(scope) if scope["type"] == "http" else None
        if deprecation is None:
            await self.app(scope, receive, send)
            return

        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(deprecation.headers())
            await send(message)

        await self.app(scope, receive, named)

    def _of(self, scope: Scope) -> Deprecation | None:
        asked = (scope["method"], scope["path"])
        return next(
            (said for method, path, said in self.found if method == asked[0] and path.fullmatch(asked[1])), None
        )
