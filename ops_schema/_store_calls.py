"""Calling an ops function by its name, as the parts of the store do."""

from __future__ import annotations

from typing import Any

from ops_schema._store_values import Json


class Calls:
    """For a class that says how rows are had."""

    async def _rows(self, name: str, *arguments: Any) -> list[tuple[Any, ...]]:
        """The rows of the query of this name. Raises OpsError, StoreUnavailable, StoreBusy."""
        raise NotImplementedError

    async def _value(self, name: str, *arguments: Any) -> Any:
        """The first column of the first row; None when there is none."""
        rows = await self._rows(name, *arguments)
        return rows[0][0] if rows else None

    async def _json(self, name: str, *arguments: Any) -> Json:
        answer: Json = await self._value(name, *arguments)
        return answer
