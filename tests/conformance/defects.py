"""What servers with a defect are made of.

A defect stands between the kit and this project's server: what it changes of a request happens as a server with that
defect would do it, what it changes of an answer is what such a server would say.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx

from contract.conformance.desk import OPERATOR_API
from contract.conformance.plane import PREFIX, route
from contract.errors import PROBLEM_MEDIA_TYPE

Json = dict[str, Any]
Send = Callable[[httpx.Request], httpx.Response]
Defect = Callable[[httpx.Request, Send], httpx.Response]
Change = Callable[[httpx.Request, Json], Json]


@dataclass(frozen=True)
class Fault:
    """case: that must catch it; says: a part of what the case then says; make: the defect, as it is at first."""

    case: str
    says: str
    make: Callable[[], Defect]
    slow: bool = False


FAULTS: dict[str, Fault] = {}  # filled by tests/conformance/broken_servers.py


def fault(case: str, says: str, *, slow: bool = False, name: str = "") -> Callable[[Any], Any]:
    """Decorator: a defect, or a class of defects that remember, is put into the table."""

    def add(defect: Any) -> Any:
        known = f"{case}: {name or defect.__name__.replace('_', ' ')}"
        assert known not in FAULTS
        FAULTS[known] = Fault(case, says, defect if isinstance(defect, type) else lambda: defect, slow)
        return defect

    return add


class Defective(httpx.BaseTransport):
    """The way to a server with a defect."""

    def __init__(self, defect: Defect) -> None:
        self.inner, self.defect = httpx.HTTPTransport(), defect

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self.defect(request, self._send)

    def _send(self, request: httpx.Request) -> httpx.Response:
        response = self.inner.handle_request(request)
        response.read()
        return response

    def close(self) -> None:
        self.inner.close()


# Requests and answers -------------------------------------------------------------------------------------------------


def operation(request: httpx.Request) -> str:
    """The operation of the executor plane; `store` for the object store, `operator` for the operator plane."""
    path = request.url.path
    if path.startswith(PREFIX):
        return (route(request.method, path) or ("unknown", {}))[0]
    return "operator" if path.startswith(OPERATOR_API) else "store"


def run_of(request: httpx.Request) -> str:
    return request.url.path.partition("/runs/")[2].partition("/")[0]


def resent(request: httpx.Request, content: bytes | Json, **headers: str) -> httpx.Request:
    """The request with another body, and with these headers (`_` for `-`)."""
    kept = {name: value for name, value in request.headers.items() if name != "content-length"}
    kept |= {name.replace("_", "-"): value for name, value in headers.items()}
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return httpx.Request(request.method, request.url, headers=kept, content=raw, extensions=request.extensions)


def body_of(request: httpx.Request) -> Json:
    """The JSON object of a request; empty when it holds none."""
    try:
        found = json.loads(request.content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def refuses(response: httpx.Response, code: str) -> bool:
    return response.status_code >= 400 and f'"{code}"'.encode() in response.content


def answering(operations: Collection[str], change: Change) -> Defect:
    """Another answer to these operations, where they are accepted."""

    def defect(request: httpx.Request, send: Send) -> httpx.Response:
        response = send(request)
        if operation(request) not in operations or response.status_code != 200:
            return response
        return httpx.Response(200, json=change(request, response.json()))

    return defect


def asking(operations: Collection[str], change: Callable[[Json], Json]) -> Defect:
    """Another request than was sent, of these operations."""

    def defect(request: httpx.Request, send: Send) -> httpx.Response:
        mine = operation(request) in operations and body_of(request)
        return send(resent(request, change(body_of(request))) if mine else request)

    return defect


def accepting(code: str, operations: Collection[str]) -> Defect:
    """These operations are answered as if they had been accepted where they are refused with this code."""

    def defect(request: httpx.Request, send: Send) -> httpx.Response:
        response = send(request)
        found = operation(request)
        if found not in operations or not refuses(response, code):
            return response
        return httpx.Response(200, json=ACCEPTED[found](request, body_of(request)))

    return defect


def report_answer(run_id: str, report: Json) -> Json:
    named = {name: report[name] for name in ("epoch", "outcome")}
    way = {"decision": "finish", "reason": None, "retry_at": None}
    place = {"run_id": run_id, "attempt": 1, "repeated": False, "run_state": "succeeded"}
    return named | place | {"route": way, "publications": []}


def artifact_answer(request: httpx.Request, body: Json) -> Json:
    nothing = dict.fromkeys(("media_type", "size", "sha256", "table", "recorded_at"))
    *_, artifact_id, _ = request.url.path.split("/")
    named = {"artifact_id": artifact_id, "run_id": run_of(request), "epoch": body["epoch"], "name": "x", "kind": "file"}
    return named | nothing | {"state": "recorded", "metadata": {}}


def commit_answer(request: httpx.Request, body: Json) -> Json:
    *_, output, _ = request.url.path.split("/")
    told = {"state": body["state"], "table_version": body.get("table_version"), "run_state": "succeeded"}
    return {"run_id": run_of(request), "output": output, **told}


def begin_answer(_: httpx.Request, __: Json) -> Json:
    return {"artifact_id": str(uuid4()), "state": "begun", "upload": None, "already_stored": True}


ACCEPTED: dict[str, Change] = {
    "appendLogs": lambda _, __: {"accepted": 1, "next": {}, "log_bytes": 5},
    "beginArtifact": begin_answer,
    "recordArtifact": artifact_answer,
    "signParts": lambda _, __: {"part_size": 1, "parts": 1, "held": [], "uploads": []},
    "findEarlier": lambda _, __: {"attempts": []},
    "reportAttempt": lambda request, body: report_answer(run_of(request), body),
    "commitPublication": commit_answer,
}


def problem_of(problem: Json) -> httpx.Response:
    return httpx.Response(problem["status"], headers={"content-type": PROBLEM_MEDIA_TYPE}, content=json.dumps(problem))


def directive(said: str, becomes: str, **more: Any) -> Defect:
    """Heartbeats say something else."""

    def change(_: httpx.Request, answer: Json) -> Json:
        runs = [run | {"directive": becomes, **more} if run["directive"] == said else run for run in answer["runs"]]
        return answer | {"runs": runs}

    return answering(["heartbeat"], change)


def problems(**changed: Callable[[Json], Any]) -> Defect:
    """Refusals as lease_lost have other members; those that become None are left out."""

    def defect(request: httpx.Request, send: Send) -> httpx.Response:
        response = send(request)
        if response.status_code != 409 or not refuses(response, "lease_lost"):
            return response
        told = response.json()
        told |= {name: change(told) for name, change in changed.items()}
        return problem_of({name: value for name, value in told.items() if value is not None})

    return defect


class Remembering:
    """The first answer of claims that have the same of a request, for ever."""

    def __init__(self, members: tuple[str, ...]) -> None:
        self.members, self.answers = members, dict[str, httpx.Response]()

    def __call__(self, request: httpx.Request, send: Send) -> httpx.Response:
        if operation(request) != "claimRuns":
            return send(request)
        key = json.dumps([request.url.path, *(body_of(request).get(name) for name in self.members)])
        found = self.answers.get(key) or self.answers.setdefault(key, send(request))
        kept = {"content-type": found.headers["content-type"]}
        return httpx.Response(found.status_code, headers=kept, content=found.content)
