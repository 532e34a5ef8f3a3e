"""Connections of the store: a pool that survives restarts of Postgres, one listener, and the translation of errors."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import select
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from psycopg import AsyncConnection, errors
from psycopg.pq import TransactionStatus
from psycopg_pool import AsyncConnectionPool, PoolClosed

from ops_schema._store_queries import CHANNELS, KEEPING, QUERIES
from ops_schema.errors import OpsError, StoreBusy, StoreUnavailable

log = logging.getLogger("ops_schema.store")

# A dead peer is noticed within about a minute, also by the listener, which never writes.
KEEPALIVE: dict[str, Any] = {
    "keepalives_idle": 20,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "connect_timeout": 5,
}
RETRIES = 5
WARM = 3  # connections kept for the next calls
RECYCLE = 1000  # calls, after which one is shown to the pool, which replaces those that have lived for long
UNAVAILABLE_HINT = "Repeat the same request; see `control-room status` for the database."


def ops_error(error: psycopg.Error) -> OpsError | None:
    """The refusal that a database error stands for, or None when it is not one of ours (a defect or an outage)."""
    state = error.sqlstate or ""
    if state.startswith("OP"):
        return OpsError(
            state, error.diag.message_primary or str(error), _members(error), error.diag.message_hint or None
        )
    if isinstance(error, errors.UntranslatableCharacter):
        return OpsError("OPV01", r"text holds \u0000, which cannot be stored", hint=r"Remove \u0000 from the text.")
    if state.startswith("22"):
        return OpsError("OPV01", f"a value has the wrong form: {error.diag.message_primary}")
    if state.startswith("54"):
        # A limit of PostgreSQL, for psycopg an OperationalError: sent again it would fail again.
        return OpsError("OPV01", f"a value is too large: {error.diag.message_primary}", hint="Send less at a time.")
    return None


def _members(error: psycopg.Error) -> dict[str, Any]:
    try:
        members = json.loads(error.diag.message_detail or "{}")
    except ValueError:
        return {}
    return members if isinstance(members, dict) else {}


def is_alive(connection: AsyncConnection[Any]) -> bool:
    """Whether an idle connection is still open, told from its socket without a round trip."""
    try:
        waiting = select.poll()
        waiting.register(connection.fileno(), select.POLLIN)
        # A server that shuts down says so before it hangs up: read on until there is nothing, or the end.
        while waiting.poll(0):
            connection.pgconn.consume_input()
    except psycopg.OperationalError:
        return False
    return not connection.closed


async def _settle(connection: AsyncConnection[Any]) -> None:
    # A statement of a queue takes milliseconds, compiling it a hundred times as long. By statement and not by
    # `options`, which would replace those that the user's connection string has.
    await connection.execute("set jit = off")


async def _warm_up(connection: AsyncConnection[Any]) -> None:
    try:
        await _settle(connection)
        await connection.execute(QUERIES["warm_up"])
    except psycopg.Error as error:
        # Slower at first, and whoever uses the connection will be told what is wrong.
        log.info("action=warm_up_failed %s", error)


class Connections:
    """A pool of autocommit connections; each call is one statement and so one transaction.

    The connection used last is used next: its plans and the caches of its backend are warm, while the pool hands out
    the one that has rested longest.

    wait_seconds: how long a call waits for a connection; call_seconds: how long one statement may take.
    prepare_threshold: calls before a statement is prepared, None for poolers without session state. warm_up: whether a
    new connection plans the hot verbs before anybody gets it; for servers, which live long.
    """

    def __init__(
        self,
        conninfo: str,
        *,
        min_size: int = 1,
        max_size: int = 8,
        wait_seconds: float = 5.0,
        call_seconds: float = 30.0,
        prepare_threshold: int | None = 5,
        warm_up: bool = False,
    ):
        self._conninfo = conninfo
        self._call_seconds = call_seconds
        self._wait_seconds = wait_seconds
        self._pool: AsyncConnectionPool[AsyncConnection[Any]] = AsyncConnectionPool(
            conninfo,
            kwargs={"autocommit": True, "prepare_threshold": prepare_threshold, **KEEPALIVE},
            min_size=min_size,
            max_size=max_size,
            timeout=wait_seconds,
            # Short rounds: with the default of minutes, the backoff outlives the outage by as long as it lasted.
            reconnect_timeout=2.0,
            # Without session state a setting would reach others; the hot verbs bring their own.
            configure=None if prepare_threshold is None else _warm_up if warm_up else _settle,
            open=False,
            name="ops-store",
        )
        self._warm: list[AsyncConnection[Any]] = []
        self._closing = False
        self._asking = 0  # calls that wait for the pool
        self._uses = 0

    async def open(self) -> None:
        """Start connecting in the background; a database that is down shows at the first call."""
        await self._pool.open(wait=False)

    async def close(self) -> None:
        """Close all connections."""
        self._closing = True
        kept, self._warm = self._warm, []
        await self._put_back(kept)
        await self._pool.close()

    async def value(self, name: str, *arguments: Any) -> Any:
        """The one value that the named query answers. Raises OpsError or StoreUnavailable."""
        found = await self.rows(name, *arguments)
        return found[0][0] if found else None

    async def rows(self, name: str, *arguments: Any, keep_ready: bool = False) -> list[tuple[Any, ...]]:
        """The rows that the named query answers. Raises OpsError or StoreUnavailable. keep_ready: see KEEPING."""
        query = KEEPING[name] if keep_ready else QUERIES[name]
        for attempt in range(RETRIES):
            try:
                return await self._rows_once(name, query, arguments)
            except (errors.DeadlockDetected, errors.SerializationFailure):
                # The transaction was rolled back whole, so the same call may go again.
                await asyncio.sleep(random.uniform(0.005, 0.02) * 2**attempt)  # noqa: S311 - jitter, not a secret
        raise StoreUnavailable(f"{name}: gave way to other transactions {RETRIES} times. {UNAVAILABLE_HINT}")

    async def _rows_once(self, name: str, query: str, arguments: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        try:
            async with asyncio.timeout(self._wait_seconds + self._call_seconds), self._connection() as connection:
                return await (await connection.execute(query, arguments)).fetchall()
        except (errors.DeadlockDetected, errors.SerializationFailure):
            raise
        except (TimeoutError, PoolClosed, psycopg.InterfaceError) as error:
            raise StoreUnavailable(f"{name}: the database did not answer. {UNAVAILABLE_HINT}") from error
        except psycopg.Error as error:
            raise _translated(name, error) from error

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[AsyncConnection[Any]]:
        connection = await self._living_connection()
        try:
            yield connection
        finally:
            if surplus := self._surplus(connection):
                # shielded: a cancellation here must not cost the pool a connection
                await asyncio.shield(self._put_back(surplus))

    async def _take(self) -> AsyncConnection[Any]:
        if self._warm:
            return self._warm.pop()
        self._asking += 1
        try:
            connection: AsyncConnection[Any] = await self._pool.getconn()
        finally:
            self._asking -= 1
        return connection

    def _surplus(self, connection: AsyncConnection[Any]) -> list[AsyncConnection[Any]]:
        """Keep a connection for the next call, or else say what goes to the pool: to who waits there, or to be closed
        when it is old."""
        self._uses += 1
        shown = [] if self._uses % RECYCLE else self._warm[:1]  # the one that has rested longest
        del self._warm[: len(shown)]
        idle = connection.pgconn.transaction_status == TransactionStatus.IDLE
        if idle and self._uses % RECYCLE and len(self._warm) < WARM and not self._asking and not self._closing:
            self._warm.append(connection)
            return shown
        return [*shown, connection]

    async def _put_back(self, connections: Sequence[AsyncConnection[Any]]) -> None:
        for connection in connections:
            await self._pool.putconn(connection)

    async def _living_connection(self) -> AsyncConnection[Any]:
        # After a restart of Postgres the pool still holds sockets that the server has closed.
        while True:
            connection = await self._take()
            if is_alive(connection):
                return connection
            await connection.close()
            await self._pool.putconn(connection)

    async def listen(self) -> AsyncIterator[tuple[str, str]]:
        """Yield (channel, payload) for ever, over one connection that is made anew when it breaks.

        A lost connection is told as ("", ""). After each (re)connection every channel is yielded once with an empty
        payload: what was sent meanwhile is lost, so the reader looks for itself.
        """
        pause = 0.1
        while True:
            try:
                async with await AsyncConnection.connect(self._conninfo, autocommit=True, **KEEPALIVE) as connection:
                    async for item in self._notifications(connection):
                        pause = 0.1
                        yield item
            except psycopg.OperationalError as error:
                log.warning("the listener lost the database, next try in %.1f s: %s", pause, error)
            yield "", ""
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311 - jitter, not a secret
            pause = min(pause * 2, 5.0)

    @staticmethod
    async def _notifications(connection: AsyncConnection[Any]) -> AsyncIterator[tuple[str, str]]:
        for channel in CHANNELS:
            await connection.execute(f"listen {channel}")
        for channel in CHANNELS:
            yield channel, ""
        async for notify in connection.notifies():
            yield notify.channel, notify.payload


def _translated(name: str, error: psycopg.Error) -> Exception:
    refusal = ops_error(error)
    if refusal is not None:
        return refusal
    if isinstance(error, errors.LockNotAvailable):
        return StoreBusy(f"{name}: another transaction holds what this one needs. {UNAVAILABLE_HINT}")
    if isinstance(error, psycopg.OperationalError):
        return StoreUnavailable(f"{name}: the database is not available: {_first_line(error)}. {UNAVAILABLE_HINT}")
    return error


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__).rstrip(".")
