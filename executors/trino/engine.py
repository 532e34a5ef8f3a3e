"""One run's session with Trino: statements sent, pages read, the query cancelled from another thread.

The protocol is the ``trino`` client's (TrinoRequest); its cursor is not used, because it turns every value into a
Python object: rows stay as they came, and columns are made of them (:mod:`executors.trino.columns`).
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus, urlsplit

import requests
from trino.auth import BasicAuthentication
from trino.client import ClientSession, TrinoRequest, TrinoStatus
from trino.exceptions import Error as TrinoError
from trino.exceptions import HttpError

from executors.trino.settings import Target
from executors.trino.wire import Adapter, never_connected, plain

# A page request is answered when there is something new, or after so long: how old progress and the caps' sums may be.
PAGE_WAIT = "200ms"
PAGE_SIZE = "4MB"
POST_TRIES = 1  # a statement sent twice could be done twice
PAGE_TRIES = 6  # about five seconds; a page may be asked for again
REQUEST_SECONDS = (5.0, 60.0)
CANCEL_SECONDS = 2.0
# Jetty refuses longer headers; a longer statement travels inside EXECUTE IMMEDIATE.
LONGEST_PREPARED = 6000
STATEMENT_NAME = "statement"
NO_CONTENT = 204
Json = dict[str, Any]


class Interrupted(Exception):  # noqa: N818 - it says what happened
    """The statement was ended because the run is."""


class Unsent(Exception):  # noqa: N818 - it says what happened
    """Trino could not be reached: the statement never began."""


@dataclass
class Query:
    """A statement at work, as far as it is known."""

    query_id: str | None = None
    info_url: str | None = None
    sent: bool = False
    finished: bool = False
    columns: list[Json] | None = None
    update_type: str | None = None
    update_count: int | None = None
    stats: Json = field(default_factory=dict)
    warnings: list[Json] = field(default_factory=list)
    next_uri: str | None = None

    def take(self, status: TrinoStatus) -> None:
        self.query_id, self.info_url, self.next_uri = status.id, status.info_uri, status.next_uri
        self.columns = status.columns or self.columns
        self.update_type, self.update_count = status.update_type or self.update_type, status.update_count
        self.stats = dict(status.stats)
        self.warnings = list(status.warnings) or self.warnings
        self.finished = status.next_uri is None


@dataclass(frozen=True)
class Bound:
    """A statement with the expressions of its parameters."""

    sql: str
    using: Sequence[str] = ()

    @property
    def prepared(self) -> bool:
        return bool(self.using) and len(quote_plus(self.sql)) <= LONGEST_PREPARED

    def posted(self, explain: bool = False) -> str:
        """What is sent. EXPLAIN of a statement too long to be prepared cannot be asked for: the empty text then."""
        prefix = "EXPLAIN (FORMAT JSON) " if explain else ""
        using = ", ".join(self.using)
        if not self.using:
            return prefix + self.sql
        if self.prepared:
            return f"{prefix}EXECUTE {STATEMENT_NAME} USING {using}"
        quoted = self.sql.replace("'", "''")
        return "" if explain else f"EXECUTE IMMEDIATE '{quoted}' USING {using}"


@dataclass(frozen=True)
class Who:
    """What Trino is told of the run. tags: client tags; info: of its client info; traceparent: W3C."""

    source: str
    tags: tuple[str, ...]
    info: Mapping[str, Any]
    traceparent: str | None = None


class Session:
    """Statements one after the other; ``SET SESSION`` and ``USE`` of one hold for the next. ``cancel`` may come from
    any thread, ``explain`` from a second one."""

    def __init__(self, target: Target, who: Who, properties: Mapping[str, str]) -> None:
        self._target, self._who = target, who
        self._client = self._client_session(properties)
        self._lock = threading.Lock()
        self._current: Query | None = None
        self._interrupted = threading.Event()

    @property
    def catalog(self) -> str | None:
        return self._client.catalog

    @property
    def schema(self) -> str | None:
        return self._client.schema

    def set(self, properties: Mapping[str, str]) -> None:
        """Session properties of the statements from now on."""
        self._client.properties = {**self._client.properties, **properties}

    def _client_session(self, properties: Mapping[str, str]) -> ClientSession:
        headers = {"X-Trino-Client-Info": json.dumps(dict(self._who.info)), "X-Trino-Trace-Token": self._who.source}
        if self._who.traceparent:
            headers["traceparent"] = self._who.traceparent
        return ClientSession(
            user=self._target.user,
            catalog=self._target.catalog,
            schema=self._target.schema,
            source=self._who.source,
            properties=dict(properties),
            headers=headers,
            client_tags=list(self._who.tags),
            timezone="UTC",
            encoding=None,
        )

    def _request(self, tries: int, client: ClientSession) -> TrinoRequest:
        where = urlsplit(self._target.url)
        return TrinoRequest(
            host=str(where.hostname),
            port=where.port or (443 if where.scheme == "https" else 80),
            client_session=client,
            http_session=web_session(self._target),
            http_scheme=where.scheme,
            auth=BasicAuthentication(self._target.user, self._target.password) if self._target.password else None,
            max_attempts=tries,
            request_timeout=REQUEST_SECONDS,
        )

    def run(self, bound: Bound, query: Query, heard: Callable[[Query], None]) -> Iterator[list[Any]]:
        """Pages of rows. ``heard`` is called with each answer, and may raise: the query is cancelled then."""
        with self._lock:
            self._current = query
        self._client.prepared_statements = {STATEMENT_NAME: bound.sql} if bound.prepared else {}
        yield from self._pages(bound.posted(), query, heard, self._client)

    def _pages(
        self, sql: str, query: Query, heard: Callable[[Query], None], client: ClientSession
    ) -> Iterator[list[Any]]:
        try:
            status = self._post(sql, query, client)
            pages = self._request(PAGE_TRIES, client)
            while True:
                query.take(status)
                heard(query)
                if status.rows:
                    yield list(status.rows)
                if status.next_uri is None:
                    return
                self._check()
                status = pages.process(pages.get(f"{status.next_uri}?maxWait={PAGE_WAIT}&targetResultSize={PAGE_SIZE}"))
        except BaseException as error:
            if not isinstance(error, TrinoError):  # else the engine ended it itself
                self._end(query)
            if self._interrupted.is_set():
                raise Interrupted from error
            raise

    def _post(self, sql: str, query: Query, client: ClientSession) -> TrinoStatus:
        self._check()
        request = self._request(POST_TRIES, client)
        query.sent = True
        try:
            return request.process(request.post(sql))
        except requests.exceptions.RequestException as error:
            if never_connected(error):
                query.sent = False
                raise Unsent(plain(error)) from error
            raise
        except HttpError:
            query.sent = False  # refused before it was a query
            raise

    def _check(self) -> None:
        if self._interrupted.is_set():
            raise Interrupted

    def explain(self, bound: Bound) -> Any:
        """The plan as JSON; None when Trino gives none (it does not parse, a table is missing)."""
        sql = bound.posted(explain=True)
        if not sql:
            return None
        client = self._client_session(self._client.properties)
        client.catalog, client.schema = self._client.catalog, self._client.schema
        client.prepared_statements = {STATEMENT_NAME: bound.sql} if bound.prepared else {}
        rows = self.rows(sql, client)
        return json.loads(rows[0][0]) if rows else None

    def rows(self, sql: str, client: ClientSession | None = None) -> list[Any]:
        """All rows of a small query of the executor's own, asked aside; none when it fails."""
        found: list[Any] = []
        try:
            client = client or self._client_session({})
            for page in self._pages(sql, Query(), lambda _: None, client):
                found += page
        except (TrinoError, HttpError, Unsent, requests.exceptions.RequestException):
            return []
        return found

    def cancel(self) -> None:
        """End the current query, and let none begin after it. The thread that reads it gets Interrupted."""
        self._interrupted.set()
        with self._lock:
            query = self._current
        if query is not None and not query.finished:
            self._end(query)

    def _end(self, query: Query) -> None:
        """DELETE at the engine, on a connection of its own; a query that is not known yet ends with its answer."""
        if query.finished or query.next_uri is None:
            return
        auth = (self._target.user, self._target.password) if self._target.password else None
        headers = {"X-Trino-User": self._target.user}
        for url in (query.next_uri, f"{self._target.url}/v1/query/{query.query_id}"):
            try:
                answer = requests.delete(url, headers=headers, auth=auth, timeout=CANCEL_SECONDS)
            except requests.exceptions.RequestException:
                continue
            if answer.status_code == NO_CONTENT:
                return


_ADAPTERS: dict[Target, Adapter] = {}


def web_session(target: Target) -> requests.Session:
    """A session over connections that stay open from run to run. Each has headers of its own: the client leaves a
    run's properties and prepared statements in them."""
    if target not in _ADAPTERS:
        _ADAPTERS.clear()  # a rotated password, another Trino: the old connections are of no use
        _ADAPTERS[target] = Adapter(pool_maxsize=4)
    found = requests.Session()
    found.mount(f"{urlsplit(target.url).scheme}://", _ADAPTERS[target])
    if urlsplit(target.url).hostname in ("127.0.0.1", "localhost", "::1"):
        found.headers["Accept-Encoding"] = "identity"  # packing costs more than loopback does
        found.trust_env = False
    if target.ca_file:
        found.verify = target.ca_file
    return found
