"""A Trino that the project's tables live in: profile, failing rows, and the end of queries of a run that is stopped.

The password is in this process's environment under a name that dbt keeps out of its texts; profiles.yml names it only.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import requests

from executors.dbt.config import DbtConfig
from executors.dbt.outcome import COUNTED
from executors.dbt.project import Project
from executors.dbt.warehouse import Json, Written
from executors.runtime.child import Context
from executors.runtime.failures import TaskError
from executors.runtime.sql_config import invalid
from executors.trino import tables
from executors.trino.engine import CANCEL_SECONDS, Bound, Query, Session, web_session
from executors.trino.failure import CLASSES, NO_VIEWS, OTHERWISE, STARTING, VIEWS_UNSUPPORTED
from executors.trino.result import shown_value
from executors.trino.run import FAILURES, who
from executors.trino.settings import Target, target_of
from executors.trino.watch import session_properties

# Names that begin so are masked by dbt, and refused in anything but a profile.
PASSWORD = "DBT_ENV_SECRET_TRINO_PASSWORD"  # noqa: S105 - the name of a variable
ENDED = frozenset({"FINISHED", "FAILED"})
IN_MESSAGE = re.compile(r"type=(\w+), name=(\w+)")
AWAY = ("failed to establish a new connection", "max retries exceeded", "connection refused", "connection aborted")
# Where one is set, requests, which dbt-trino uses, takes it in place of the target's own.
OTHER_AUTHORITIES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class TrinoWarehouse:
    """``target`` holds the catalog and schema of the run."""

    private = False
    failure = None

    def __init__(self, context: Context, project: Project, target: Target) -> None:
        self._project, self._target, self._who = project, target, who(context)
        self._properties = session_properties(dict(context.job.get("caps") or {}), 0.0, {})
        if target.password:
            os.environ[PASSWORD] = target.password
        if target.ca_file:
            for name in OTHER_AUTHORITIES:
                os.environ.pop(name, None)
        if urlsplit(target.url).hostname in LOOPBACK:
            os.environ["NO_PROXY"] = os.environ["no_proxy"] = ",".join(LOOPBACK)

    def profile(self) -> Json:
        where = urlsplit(self._target.url)
        found: Json = {
            "type": "trino",
            "method": "ldap" if self._target.password else "none",
            "user": self._target.user,
            "host": where.hostname,
            "port": where.port or (443 if where.scheme == "https" else 80),
            "http_scheme": where.scheme,
            "database": self._target.catalog,
            "schema": self._target.schema,
            "threads": self._project.config.threads,
            "client_tags": list(self._who.tags),
            "session_properties": dict(self._properties),
            "timezone": "UTC",
        }
        if self._target.password:
            found["password"] = "{{ env_var('" + PASSWORD + "') }}"
            del found["http_scheme"]  # the method implies https
        if where.scheme == "https":
            found["cert"] = self._target.ca_file or True
        return found

    def begin(self, manifest: Any) -> None:
        """Sources are tables that Trino knows: nothing is brought in."""

    def interrupt(self) -> None:
        """End this run's queries at Trino, each by its own API; dbt ends those that it still knows."""
        with suppress(requests.exceptions.RequestException, ValueError), web_session(self._target) as web:
            web.headers["X-Trino-User"] = self._target.user
            web.auth = (self._target.user, self._target.password) if self._target.password else None
            for query in web.get(f"{self._target.url}/v1/query", timeout=CANCEL_SECONDS).json():
                tags = (query.get("session") or {}).get("clientTags") or ()
                if query.get("state") not in ENDED and set(self._who.tags) <= set(tags):
                    web.delete(f"{self._target.url}/v1/query/{query['queryId']}", timeout=CANCEL_SECONDS)

    def close(self) -> None:
        """dbt's connections are requests of their own: nothing stays open."""

    def release(self) -> None:
        """Nothing is held."""

    def count_rows(self, nodes: Iterable[Any]) -> dict[str, int]:
        """dbt tells the rows of a table that it made."""
        return {}

    def written(self, results: Iterable[Any]) -> Iterable[Written]:
        """Of each model, seed and snapshot the version that its query made, where its catalog keeps versions."""
        for result in results:
            query_id = (result.adapter_response or {}).get("query_id")
            if query_id and str(result.node.resource_type) in COUNTED:
                name = (result.node.database, result.node.schema, result.node.alias)
                found = tables.written(name, query_id, self._ask)
                if found.format and found.uri and found.version is not None:
                    yield Written(found.name, found.format, found.uri, found.version, query_id)

    def _ask(self, sql: str) -> list[Any]:
        """The rows of a small query; none when it fails: what dbt made is there all the same."""
        try:
            return self._rows(sql)[1]
        except FAILURES:
            return []

    def sample(self, sql: str, limit: int) -> tuple[list[Json], list[list[Any]]]:
        columns, rows = self._rows(sql)
        return columns, [[shown_value(value) for value in row] for row in rows[:limit]]

    def _rows(self, sql: str) -> tuple[list[Json], list[list[Any]]]:
        query, rows = Query(), []
        for page in Session(self._target, self._who, self._properties).run(Bound(sql), query, lambda _: None):
            rows += page
        return [{"name": column["name"], "type": column["type"]} for column in query.columns or ()], rows

    def stream(self, node: Any) -> AbstractContextManager[Any]:
        raise NotImplementedError("outputs are refused by the template's check")

    def failure_of(self, message: str) -> tuple[str, str] | None:
        """Trino's own word for it, else what kept dbt from reaching it."""
        if NO_VIEWS.search(message):
            return "user", VIEWS_UNSUPPORTED
        if found := IN_MESSAGE.search(message):
            kind, name = found.groups()
            return OTHERWISE.get(name) or CLASSES.get(kind, "internal"), name.lower()
        if STARTING in message:  # refused: unlike one that went away, it has done nothing
            return "external", "trino_unavailable"
        lower = message.lower()
        if any(words in lower for words in AWAY):
            return "external", "trino_unreachable"
        if "error 401" in lower or "error 403" in lower:
            return "external", "credentials_refused"
        return None


def chosen_target(config: DbtConfig, connections: Any) -> Target:
    """The Trino of a template, with its catalog and schema. TaskError when it is not known, or one of these is not."""
    target = target_of(config.connection, connections)
    catalog = config.catalog or target.catalog
    schema = config.schema or (target.schema if catalog == target.catalog else None)
    for key, value in (("catalog", catalog), ("schema", schema)):
        if not value:
            raise invalid(key, "is missing, and the connection has none: dbt must know where to write")
    if target.password and urlsplit(target.url).scheme != "https":
        text = f"the connection {config.connection!r} has a password, and Trino takes one over https only; mend its url"
        raise TaskError("external", "trino_undefined", text)
    return replace(target, catalog=catalog, schema=schema)
