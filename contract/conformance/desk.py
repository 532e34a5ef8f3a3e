"""What the cases of the server kit work with: requests as an executor sends them, and runs to send them about."""

import hashlib
import os
import secrets
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import uuid4

import httpx
from pydantic import TypeAdapter, ValidationError

from contract import models
from contract.conformance.plane import PREFIX, route
from contract.conformance.verdict import Broken, Skipped, require
from contract.errors import PROBLEM_MEDIA_TYPE, URN
from contract.versions import NEWEST, OLDEST

Json = dict[str, Any]
OPERATOR_API = "/api/v1"
TEMPLATE = "conformance-kit"
LABELS = {"conformance": "kit"}
ANSWERS: Mapping[str, Any] = {
    **{"registerExecutor": models.Registration, "claimRuns": models.ClaimResponse, "exchange": models.ExchangeResponse},
    **{"heartbeat": models.HeartbeatResponse, "appendLogs": models.LogsResponse, "recordArtifact": models.Artifact},
    **{"beginArtifact": models.BeginArtifactResponse, "reportAttempt": models.ReportResponse},
    **{"commitPublication": models.CommitPublicationResponse, "getArtifact": models.ArtifactDownload},
    **{"getBundle": models.BundleDownload, "findEarlier": models.EarlierResponse},
    **{"awaitOrders": models.OrdersResponse},
    **{"signParts": models.SignPartsResponse, "batchArtifacts": models.BatchArtifactsResponse},
}
COMMAND_SECONDS = 60.0
DONE = "the conformance kit is done"


@dataclass(frozen=True)
class Server:
    """The server under test. token: of role executor; operator_token: to submit runs of a template of the kit's own, in
    place of which submit_command, a shell command, may submit one run each time it is called; kind: of the runs."""

    url: str
    token: str
    operator_token: str | None = None
    submit_command: str | None = None
    kind: str = "python"
    patience_seconds: float = 20.0


@dataclass
class Desk:
    """One executor's desk, at one server. Everything it sends and gets is held against the document."""

    server: Server
    http: httpx.Client
    queue: str = field(default_factory=lambda: f"conformance-{secrets.token_hex(4)}")
    held: dict[tuple[str, int], Json] = field(default_factory=dict)
    executors: list[str] = field(default_factory=list)
    prepared: set[str] = field(default_factory=set)
    submitted: list[str] = field(default_factory=list)

    # Requests -------------------------------------------------------------------------------------------------------

    def call(
        self, method: str, path: str, body: Any = None, *, token: str | None = "", **options: Any
    ) -> httpx.Response:
        """One request below the prefix. token: None for none, the executor's when left out; content: raw bytes."""
        sent = self.server.token if token == "" else token
        headers = {"authorization": f"Bearer {sent}"} if sent else {}
        headers |= {"content-type": "application/json"} if body is not None or "content" in options else {}
        headers |= options.pop("headers", {})
        given = {"json": body} if body is not None else {}
        response = self.http.request(method, self.server.url + PREFIX + path, headers=headers, **given, **options)
        self._check(method, path, response)
        return response

    def _check(self, method: str, path: str, response: httpx.Response) -> None:
        place = f"{method} {path} answered {response.status_code}"
        if response.status_code >= 400:
            check_problem(response, place)
            return
        operation = (route(method, PREFIX + path) or ("", {}))[0]
        if model := ANSWERS.get(operation):
            try:
                TypeAdapter(model).validate_json(response.content)
            except ValidationError as error:
                first = error.errors(include_url=False)[0]
                require(False, f"{place} with a body that breaks the document at {first['loc']}: {first['msg']}")

    def ok(self, method: str, path: str, body: Any = None, **options: Any) -> Json:
        """The JSON of a request that must be accepted."""
        response = self.call(method, path, body, **options)
        require(response.status_code == 200, f"{method} {path} answered {response.status_code}: {response.text[:500]}")
        found: Json = response.json()
        return found

    def refused(self, status: int, code: str, method: str, path: str, body: Any = None, **options: Any) -> Json:
        """The problem of a request that must be refused so."""
        response = self.call(method, path, body, **options)
        found = f"{response.status_code} {response.text[:300]}"
        require(response.status_code == status, f"{method} {path}: {status} {code} was due, not {found}")
        problem: Json = response.json()
        require(problem["code"] == code, f"{method} {path}: code {code} was due, not {found}")
        return problem

    # An executor's verbs --------------------------------------------------------------------------------------------

    def registration(self, **more: Any) -> Json:
        return {
            **{"instance_id": str(uuid4()), "name": "conformance", "kind": self.server.kind, "version": "1.0"},
            **{"contract": {"min": OLDEST, "max": NEWEST}, "labels": LABELS, "slots": 10},
            **more,
        }

    def register(self, **more: Any) -> str:
        """A new executor's id; it leaves at the end of the case."""
        executor_id = str(self.ok("POST", "/executors", self.registration(**more))["executor_id"])
        self.executors.append(executor_id)
        return executor_id

    def wish(self, max_runs: int = 1, wait_seconds: float = 0) -> Json:
        """A claim's body: from the kit's own queue, so that no run of somebody else is touched."""
        return {
            **{"request_id": str(uuid4()), "max_runs": max_runs, "wait_seconds": wait_seconds},
            "queues": [self.queue],
        }

    def claim(self, executor_id: str, body: Json | None = None) -> list[Json]:
        """The runs of a claim, remembered until they are reported."""
        wish = body or self.wish(wait_seconds=self.server.patience_seconds)
        runs: list[Json] = self.ok("POST", f"/executors/{executor_id}/claims", wish)["runs"]
        self.hold(runs)
        return runs

    def hold(self, runs: list[Json]) -> None:
        self.held |= {(run["run_id"], run["epoch"]): run for run in runs}

    def working(self, count: int = 1, **more: Any) -> tuple[str, list[Json]]:
        """A new executor and so many runs that it holds."""
        executor_id = self.register()
        runs: list[Json] = []
        for _ in range(count):
            self.submit(**more)
            found = self.claim(executor_id)
            require(found, f"no run was claimed within {self.server.patience_seconds:g} s of its submission")
            runs += found[:1]
        return executor_id, runs

    def requeued(self, run: Json) -> tuple[str, Json]:
        """Another executor, and the run as that one holds it: an operator has taken it back in between."""
        wanted = {"force": True, "epoch": run["epoch"], "reason": "the conformance kit takes it back"}
        self.operate("POST", f"/runs/{run['run_id']}/requeue", wanted)
        self.held.pop((run["run_id"], run["epoch"]))
        other = self.register()
        return other, self.claim_again(other, run)

    def claim_again(self, executor_id: str, run: Json) -> Json:
        """The run, which is claimable once more, under a later epoch."""
        found = self.claim(executor_id)
        require(found, "a run that is to be had again was not claimable")
        require(found[0]["run_id"] == run["run_id"], "another run was claimed than the one that is to be had again")
        require(found[0]["epoch"] > run["epoch"], "the epoch did not rise at the claim")
        return found[0]

    def report(self, run: Json, **more: Any) -> Json:
        """An accepted report."""
        answer = self.ok("POST", f"/runs/{run['run_id']}/report", report_body(run, **more))
        self.held.pop((run["run_id"], run["epoch"]), None)
        return answer

    def beat(self, executor_id: str, *runs: Json) -> list[Json]:
        """The directives of a heartbeat."""
        members = [{"run_id": run["run_id"], "epoch": run["epoch"]} for run in runs]
        answer = self.ok("POST", f"/executors/{executor_id}/heartbeat", {"state": "active", "runs": members})
        directives: list[Json] = answer["runs"]
        require(len(directives) == len(runs), f"{len(runs)} runs were sent, {len(directives)} directives came")
        return directives

    def put(self, upload: Json, data: bytes) -> httpx.Response:
        """The presigned PUT."""
        return self.http.request(upload["method"], upload["url"], headers=upload["headers"], content=data)

    # Runs -----------------------------------------------------------------------------------------------------------

    def operate(self, method: str, path: str, body: Json | None = None) -> Json:
        """A request of the operator plane. Skipped without an operator's token."""
        if self.server.operator_token is None:
            raise Skipped("this needs an operator's token (--operator-token-file)")
        headers = {"authorization": f"Bearer {self.server.operator_token}"}
        answer = self.http.request(method, self.server.url + OPERATOR_API + path, json=body, headers=headers)
        if answer.status_code not in (200, 201):
            raise Skipped(f"the operator plane refused {method} {path}: {answer.status_code} {answer.text[:300]}")
        found: Json = answer.json()
        return found

    def submit(self, template: str = TEMPLATE, **spec: Any) -> None:
        """One more run in the kit's queue."""
        if self.server.operator_token is not None:
            if template not in self.prepared:
                self.operate("PUT", f"/templates/{template}", template_body(template, self.server.kind) | spec)
                self.prepared.add(template)
            made = self.operate("POST", "/runs", {"template": template, "queue": self.queue})
            self.submitted.append(str(made["run_id"]))
        elif self.server.submit_command and not spec:
            self._command(self.server.submit_command)
        else:
            raise Skipped("runs are needed: give --operator-token-file, or --submit-command where that is enough")

    def _command(self, command: str) -> None:
        environment = os.environ | {"CONFORMANCE_QUEUE": self.queue, "CONFORMANCE_KIND": self.server.kind}
        done = subprocess.run(  # noqa: S602 - a shell command is what the user gave
            command, shell=True, env=environment, capture_output=True, timeout=COMMAND_SECONDS, check=False
        )
        said = (done.stderr or done.stdout).decode("utf-8", "replace")[-300:]
        if done.returncode:
            raise Skipped(f"the submit command ended with {done.returncode}: {said}")

    def clear(self) -> None:
        """Give back what the case still holds, leave, and end its runs, so that nothing of it asks for a person.

        A server that goes wrong in one of these is left as it is in that."""
        steps: list[Callable[[], object]] = [partial(self._give_back, run) for run in self.held.values()]
        steps += [partial(self.call, "DELETE", f"/executors/{executor_id}") for executor_id in self.executors]
        steps += [partial(self._end, run_id) for run_id in self.submitted]
        for step in steps:
            with suppress(Broken, Skipped, httpx.TransportError):
                step()
        self.held.clear()
        self.executors.clear()
        self.submitted.clear()

    def _give_back(self, run: Json) -> None:
        body = report_body(run, outcome="cancelled", reason=DONE)
        self.call("POST", f"/runs/{run['run_id']}/report", body)

    def _end(self, run_id: str) -> None:
        """Cancel the run if it has not ended. One that failed is a dead letter until it is retried: cancel that."""
        state = self.operate("GET", f"/runs/{run_id}")["state"]
        if state == "failed":
            run_id = str(self.operate("POST", f"/runs/{run_id}/retry", {})["run_id"])
        if state not in ("succeeded", "cancelled", "skipped"):
            self.operate("POST", f"/runs/{run_id}/cancel", {"reason": DONE, "force": True})


def check_problem(response: httpx.Response, place: str) -> None:
    """A refusal must be an RFC 9457 problem as the document says."""
    media_type = response.headers.get("content-type", "").partition(";")[0]
    require(media_type == PROBLEM_MEDIA_TYPE, f"{place} as {media_type or 'no media type'}, not {PROBLEM_MEDIA_TYPE}")
    try:
        problem = models.Problem.model_validate_json(response.content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        require(False, f"{place} with a problem that breaks the document at {first['loc']}: {first['msg']}")
        return
    require(problem.status == response.status_code, f"{place}, but its problem says {problem.status}")
    require(problem.type == URN + problem.code, f"{place}: type {problem.type} does not name code {problem.code}")
    require("Traceback" not in response.text, f"{place} with a traceback")


def template_body(name: str, kind: str) -> Json:
    return {
        **{"name": name, "kind": kind, "entrypoint": "main:run", "params_schema": {"type": "object"}},
        **{
            "requires": {"labels": LABELS},
            "retry": {"max_attempts": 5, "backoff_seconds": 0, "on": ["external", "internal"]},
        },
        **{"lease_seconds": 60, "rerun": "safe", "description": "Runs of the conformance kit."},
    }


def now() -> str:
    return datetime.now(UTC).isoformat()


def error_info(failure_class: str = "user") -> Json:
    return {"class": failure_class, "code": "conformance", "message": "the conformance kit says so"}


def report_body(run: Json, **more: Any) -> Json:
    return {
        **{"epoch": run["epoch"], "outcome": "succeeded", "idempotency_key": f"{run['run_id']}/{run['epoch']}"},
        **{"finished_at": now(), "usage": {"wall_seconds": 0.5}},
        **more,
    }


def chunk(text: str, seq: int = 0, offset: int = 0) -> Json:
    return {"stream": "stdout", "seq": seq, "offset": offset, "at": now(), "text": text}


def file_body(run: Json, data: bytes, name: str = "conformance.bin") -> Json:
    return {
        **{"epoch": run["epoch"], "name": name, "kind": "file", "media_type": "application/octet-stream"},
        **{"size": len(data), "sha256": hashlib.sha256(data).hexdigest()},
    }
