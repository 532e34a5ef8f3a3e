"""The ops functions as a test calls them: straight SQL, as the role that a server has."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.support.postgres import Database


class Ops:
    """Calls functions of one database. `admin` is a superuser's connection, for arranging and looking."""

    def __init__(self, database: Database):
        self.database = database
        self.admin = database.connect()
        self.server = database.connect()
        # As a server's login would be: a member of ops_server and nothing else.
        self.server.execute("set session authorization ops_server")

    def close(self) -> None:
        self.server.close()
        self.admin.close()

    def call(self, name: str, *arguments: Any) -> Any:
        """The one value that ops.<name>(arguments) answers; dicts and lists go as jsonb."""
        return self.call_on(self.server, name, *arguments)

    @staticmethod
    def call_on(connection: psycopg.Connection[Any], name: str, *arguments: Any) -> Any:
        values = [Jsonb(value) if isinstance(value, dict | list) else value for value in arguments]
        row = connection.execute(f"select ops.{name}({', '.join(['%s'] * len(values))})", values).fetchone()
        return row[0] if row else None

    def value(self, query: str, *parameters: Any) -> Any:
        """The first value of a query as superuser."""
        row = self.admin.execute(query, parameters).fetchone()
        return row[0] if row else None

    def token(self, role: str, name: str = "", workspaces: list[str] | None = None) -> uuid.UUID:
        """A new token of this role; its secret is its name."""
        name = name or f"{role}-{uuid.uuid4().hex[:8]}"
        body = {"name": name, "role": role, "workspaces": workspaces}
        made = self.call_on(self.admin, "bootstrap_token", sha256(name), body)
        return uuid.UUID(made["token_id"])

    def move_clock(self, seconds: float) -> None:
        """Replace ops.now(): every function now lives `seconds` later than the machine."""
        self.admin.execute(
            "create or replace function ops.now() returns timestamptz language sql stable parallel safe "
            f"return statement_timestamp() + interval '{seconds} seconds'"
        )

    def template(self, operator: uuid.UUID, name: str = "job", **spec: Any) -> dict[str, Any]:
        """Put a template; a python one unless `spec` says otherwise."""
        body = {"name": name, "kind": "python", "entrypoint": "main:run", "params_schema": {"type": "object"}} | spec
        answer: dict[str, Any] = self.call("put_template", operator, name, body)
        return answer

    def executor(self, token: uuid.UUID, kind: str = "python", **more: Any) -> uuid.UUID:
        """Register an executor and answer its id."""
        return uuid.UUID(self.call("register_executor", token, registration(kind=kind, **more))["executor_id"])

    def submit(self, operator: uuid.UUID, template: str = "job", **more: Any) -> dict[str, Any]:
        """Submit a run."""
        answer: dict[str, Any] = self.call("submit_run", operator, {"template": template, "params": {}} | more)
        return answer

    def claim(self, token: uuid.UUID, executor_id: uuid.UUID, max_runs: int = 1) -> list[dict[str, Any]]:
        """Claim runs."""
        body = {"request_id": str(uuid.uuid4()), "max_runs": max_runs, "wait_seconds": 0, "queues": None}
        runs: list[dict[str, Any]] = self.call("claim_runs", token, executor_id, body)["runs"]
        return runs


def registration(**more: Any) -> dict[str, Any]:
    """A registerExecutor body."""
    return {
        "instance_id": str(uuid.uuid4()),
        "name": "worker-1",
        "kind": "python",
        "version": "0.1.0",
        "contract": {"min": "1.0", "max": "1.1"},
        "capabilities": {},
        "labels": {},
        "workspaces": None,
        "slots": 2,
        "host": "localhost",
        "pid": 4242,
    } | more


def sha256(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def members(error: psycopg.Error) -> dict[str, Any]:
    """The members of a domain error's problem document."""
    found: dict[str, Any] = json.loads(error.diag.message_detail or "{}")
    return found


def refused(sqlstate: str, call: Callable[..., Any], *arguments: Any, **more: Any) -> psycopg.Error:
    """The domain error that the call raises; it must be of this SQLSTATE."""
    with pytest.raises(psycopg.Error) as caught:
        call(*arguments, **more)
    assert caught.value.sqlstate == sqlstate, caught.value
    return caught.value
