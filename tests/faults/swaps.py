"""Parts of classes as a fault has them; see tests.faults.faults.Swap."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def blind_to_commits(opens: Callable[[Any], Any]) -> Any:
    """A committer's table that never knows of an earlier commit."""

    class Blind:
        def __init__(self, table: Any) -> None:
            self._table = table

        def __getattr__(self, name: str) -> Any:
            return getattr(self._table, name)

        def transaction_version(self, app_id: str) -> None:
            return None

    def opened(committer: Any) -> Any:
        table = opens(committer)
        return None if table is None else Blind(table)

    return opened


def finds_nothing(_: Any) -> Any:
    """A look for the marker of a commit that never finds it."""
    return lambda *given: None


def without_conditions(init: Callable[..., None]) -> Any:
    """A committer whose PUTs replace whatever stands there."""

    class Unconditional:
        def __init__(self, client: Any) -> None:
            self._client = client

        def __getattr__(self, name: str) -> Any:
            return getattr(self._client, name)

        def put_object(self, **given: Any) -> Any:
            kept = {name: value for name, value in given.items() if name not in ("IfMatch", "IfNoneMatch")}
            return self._client.put_object(**kept)

    def made(committer: Any, *given: Any) -> None:
        init(committer, *given)
        committer._client = Unconditional(committer._client)

    return made


def forgets_the_mode(with_commit: Callable[..., Any]) -> Any:
    """A book that does not know that its object was to be created, and nothing replaced."""

    def committed(book: Any, app_id: str, epoch: int, current: dict[str, Any], now: Any) -> Any:
        return with_commit(book, app_id, epoch, {**current, "mode": None}, now)

    return committed


def falls_together(_: Any) -> Any:
    """Lanes that tell every request what went wrong with their statement."""

    async def send(lanes: Any, batch: list[Any]) -> None:
        try:
            answers = await lanes._statement([request.sent for request in batch])
        except Exception as error:
            for request in batch:
                request.fail(error)
        else:
            for request, found in zip(batch, answers, strict=True):
                request.answer(found)

    return send
