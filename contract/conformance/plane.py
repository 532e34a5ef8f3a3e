"""The executor plane that the executor kit serves: each operation over the `Room`, refusing what a server refuses."""

import base64
import hashlib
import json
import re
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from pydantic import TypeAdapter, ValidationError

from contract import models
from contract.conformance.room import Artifact, Json, Room, Run, Wish, claimed, now_text
from contract.errors import ContractError, make
from contract.versions import choose

PREFIX = "/executor/v1"
DOCUMENT = Path(__file__).parents[1] / "openapi.yaml"
BODY_BYTES, LOG_BODY_BYTES = 4 << 20, 1 << 20
ROUTES: tuple[tuple[str, str, str, Any], ...] = (
    ("getContract", "GET", "/openapi.yaml", None),
    ("registerExecutor", "POST", "/executors", models.RegisterRequest),
    ("leaveExecutor", "DELETE", "/executors/{executor_id}", None),
    ("claimRuns", "POST", "/executors/{executor_id}/claims", models.ClaimRequest),
    ("exchange", "POST", "/executors/{executor_id}/exchange", models.ExchangeRequest),
    ("awaitOrders", "POST", "/executors/{executor_id}/orders", models.OrdersRequest),
    ("heartbeat", "POST", "/executors/{executor_id}/heartbeat", models.HeartbeatRequest),
    ("appendLogs", "POST", "/runs/{run_id}/logs", models.LogsRequest),
    ("beginArtifact", "POST", "/runs/{run_id}/artifacts", models.BeginArtifactRequest),
    ("recordArtifact", "POST", "/runs/{run_id}/artifacts/{artifact_id}/record", models.RecordArtifactRequest),
    ("batchArtifacts", "POST", "/runs/{run_id}/artifacts/batch", models.BatchArtifactsRequest),
    ("signParts", "POST", "/runs/{run_id}/artifacts/{artifact_id}/parts", models.SignPartsRequest),
    ("reportAttempt", "POST", "/runs/{run_id}/report", models.Report),
    ("commitPublication", "POST", "/runs/{run_id}/publications/{output}/commit", models.CommitPublicationRequest),
    ("findEarlier", "POST", "/runs/{run_id}/earlier", models.EarlierRequest),
    ("getArtifact", "GET", "/artifacts/{artifact_id}", None),
    ("getBundle", "GET", "/bundles/{sha256}", None),
)
PATTERNS = [
    (name, method, re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", PREFIX + path)), model)
    for name, method, path, model in ROUTES
]
ADAPTERS: dict[str, TypeAdapter[Any]] = {name: TypeAdapter(model) for name, _, _, model in ROUTES if model is not None}


def route(method: str, path: str) -> tuple[str, dict[str, str]] | None:
    """(operation, parameters) of a request; None when the document has none."""
    for name, its_method, pattern, _ in PATTERNS:
        if its_method == method and (found := pattern.fullmatch(path)):
            return name, found.groupdict()
    return None


def checked(operation: str, raw: bytes) -> Json:
    """The body, held against the document. Raises the problem that a server answers."""
    if len(raw) > (LOG_BODY_BYTES if operation == "appendLogs" else BODY_BYTES):
        raise make("payload_too_large", f"the body has {len(raw)} bytes")
    if operation not in ADAPTERS:
        return {}
    try:
        value = json.loads(raw.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
    except ValueError as error:
        raise make("malformed_json", f"the body is not strict JSON: {error}") from None
    try:
        ADAPTERS[operation].validate_json(raw, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = "/" + "/".join(map(str, first["loc"]))
        raise make("invalid_request", f"{place}: {first['msg']} (got {str(first['input'])[:80]!r})") from None
    found: Json = value
    return found


def _unique(pairs: list[tuple[str, Any]]) -> Json:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a key comes twice in one object")
    return dict(pairs)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def member(name: str, work: Callable[[], tuple[int, Json]]) -> Json:
    """What became of one of many: its answer under a name, or its problem."""
    try:
        return {name: work()[1], "problem": None}
    except ContractError as error:
        return {name: None, "problem": error.problem()}


class Plane:
    """The operations. Each takes path parameters and body and answers (status, JSON); refusals are raised."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.verbs: dict[str, Callable[..., tuple[int, Any]]] = {
            **{"registerExecutor": self.register, "leaveExecutor": self.leave, "claimRuns": self.claim},
            **{"exchange": self.exchange, "heartbeat": self.heartbeat, "appendLogs": self.logs},
            **{"beginArtifact": self.begin, "recordArtifact": self.record, "reportAttempt": self.report},
            **{"commitPublication": self.commit, "getArtifact": self.get_artifact, "getBundle": self.get_bundle},
            **{"findEarlier": self.earlier, "awaitOrders": self.orders},
            **{"signParts": self.sign_parts, "batchArtifacts": self.batch},
        }

    # Executors ------------------------------------------------------------------------------------------------------

    def register(self, body: Json) -> tuple[int, Json]:
        room = self.room
        low, high, spoken = body["contract"]["min"], body["contract"]["max"], room.edition.versions
        chosen = choose(low, high, spoken)
        if chosen is None:
            detail = f"the kit's server speaks contract {', '.join(spoken)}; the executor asked for {low} to {high}"
            raise make("contract_version_unsupported", detail, supported=list(spoken), min=low, max=high)
        known = next((i for i, e in room.executors.items() if e["instance_id"] == body["instance_id"]), None)
        if known in room.left:
            raise make("executor_gone", "this instance has left", hint="register again with a new instance_id")
        executor_id = known or str(uuid4())
        room.executors.setdefault(executor_id, body)
        return 200, {
            **{"executor_id": executor_id, "number": list(room.executors).index(executor_id) + 1},
            **{"contract_version": chosen, "heartbeat_seconds": room.heartbeat_seconds, "log_chunk_bytes": 4096},
            **{"claim_wait_seconds": room.claim_wait_seconds, "workspaces": ["default"], "server_time": now_text()},
        }

    def _executor(self, executor_id: str) -> Json:
        if executor_id in self.room.left:
            raise make("executor_gone", "the executor has left", hint="register again with a new instance_id")
        if executor_id not in self.room.executors:
            raise make("executor_not_found", f"there is no executor {executor_id}", hint="register again")
        return self.room.executors[executor_id]

    def leave(self, body: Json, executor_id: str) -> tuple[int, None]:
        if executor_id not in self.room.executors:
            raise make("executor_not_found", f"there is no executor {executor_id}")
        self.room.left.add(executor_id)
        return 204, None

    def claim(self, body: Json, executor_id: str) -> tuple[int, Json]:
        return 200, {"runs": self._claimed(body, executor_id, body.get("wait_seconds", 0)), "server_time": now_text()}

    def _claimed(self, body: Json, executor_id: str, wait_seconds: float) -> list[Json]:
        room, asked = self.room, {name: body.get(name) for name in ("max_runs", "queues", "reports")}
        kind = self._executor(executor_id)["kind"]
        wish = room.requests.setdefault((executor_id, body["request_id"]), Wish(asked))
        if wish.asked != asked:
            raise make("request_id_conflict", "this request_id came with another body")
        end = time.monotonic() + wait_seconds
        while body["max_runs"] and not wish.alive():
            wish.twice = bool(room.again)
            wish.given = self._pick(executor_id, body["max_runs"])
            left = end - time.monotonic()
            if wish.given or left <= 0 or room.closing:
                break
            room.changed.wait(min(left, 0.5))
        return [claimed(run, epoch, kind, room) for run, epoch in wish.alive()]

    def _pick(self, executor_id: str, most: int) -> list[tuple[Run, int]]:
        room = self.room
        if executor_id in room.draining or executor_id in room.left:
            return []
        if room.again:
            return [(run, run.epoch) for run in (room.again.pop(),)]
        found = [room.queue.popleft() for _ in range(min(most, len(room.queue)))]
        for run in found:
            run.executor_id, run.claimed_at = executor_id, time.monotonic()
        return [(run, run.epoch) for run in found]

    def heartbeat(self, body: Json, executor_id: str) -> tuple[int, Json]:
        self._executor(executor_id)
        if body["state"] == "draining":
            self.room.draining.add(executor_id)
        drain = executor_id in self.room.draining
        return 200, {
            **{"directive": "drain" if drain else "continue", "heartbeat_seconds": self.room.heartbeat_seconds},
            **{"server_time": now_text(), "runs": [self._directive(member, executor_id) for member in body["runs"]]},
        }

    def orders(self, body: Json, executor_id: str) -> tuple[int, Json]:
        self._executor(executor_id)
        room, end = self.room, time.monotonic() + body.get("wait_seconds", 0)
        while (place := self._place(executor_id)) == body.get("after") and not room.closing:
            left = end - time.monotonic()
            if left <= 0:
                break
            room.changed.wait(min(left, 0.5))
        return 200, {"heard": place != body.get("after"), "place": place}

    def _place(self, executor_id: str) -> str:
        """Another text whenever a heartbeat of this executor would be told something else."""
        room = self.room
        runs = [
            (r.run_id, r.epoch, r.directive, str(r.extra)) for r in room.runs.values() if r.executor_id == executor_id
        ]
        return hashlib.sha256(repr((executor_id in room.draining, sorted(runs))).encode()).hexdigest()

    def _directive(self, member: Json, executor_id: str) -> Json:
        run = self.room.runs.get(member["run_id"])
        told = {"lease_deadline": None, "reason": None, "grace_seconds": None, "caps": None}
        said = "superseded"
        if run and member["epoch"] in run.reports:
            said = "already_terminal"
        elif run and run.epoch == member["epoch"] and run.executor_id == executor_id:
            said = run.directive
            held = said in ("continue", "cancel", "drain")
            told |= run.extra | {"lease_deadline": now_text(run.lease_seconds) if held else None}
        return {"run_id": member["run_id"], "epoch": member["epoch"], "directive": said, **told}

    # Runs -----------------------------------------------------------------------------------------------------------

    def _held(self, run_id: str, epoch: int, reporting: bool = False) -> Run:
        run = self.room.runs.get(run_id)
        if run is None:
            raise make("run_not_found", f"there is no run {run_id}")
        reason = run.refuse or ("superseded" if epoch != run.epoch or run.executor_id is None else None)
        if reason is None and epoch in run.reports and not reporting:
            reason = "terminal"
        if reason:
            members = {"run_id": run_id, "epoch_sent": epoch, "epoch_current": run.epoch, "run_state": "running"}
            detail = f"epoch {epoch} does not hold run {run.number}"
            raise make("lease_lost", detail, hint="stop working on this run", reason=reason, **members)
        return run

    def logs(self, body: Json, run_id: str) -> tuple[int, Json]:
        run = self._held(run_id, body["epoch"])
        for chunk in body["chunks"]:
            known = run.chunks.get((body["epoch"], chunk["stream"], chunk["seq"]))
            if known and (known["offset"], known["text"]) != (chunk["offset"], chunk["text"]):
                place = {"run_id": run_id, "stream": chunk["stream"], "seq": chunk["seq"]}
                raise make("log_conflict", f"chunk {chunk['seq']} is on record with other text", **place)
        for chunk in body["chunks"]:
            run.chunks.setdefault((body["epoch"], chunk["stream"], chunk["seq"]), chunk)
        mine = [chunk for (epoch, _, _), chunk in run.chunks.items() if epoch == body["epoch"]]
        ends = {c["stream"]: {"seq": c["seq"] + 1, "offset": c["offset"] + len(c["text"].encode())} for c in mine}
        stored = sum(len(chunk["text"].encode()) for chunk in run.chunks.values())
        return 200, {"accepted": len(body["chunks"]), "next": ends, "log_bytes": stored}

    def begin(self, body: Json, run_id: str) -> tuple[int, Json]:
        self._held(run_id, body["epoch"])
        same = [a for a in self.room.artifacts.values() if (a.run_id, a.body["name"]) == (run_id, body["name"])]
        known = next((a for a in same if a.epoch == body["epoch"]), None)
        if known and known.body != body:
            raise make("artifact_conflict", f"{body['name']} was begun in this attempt with another body")
        if known is None:
            id_ = str(uuid4())
            known = self.room.artifacts[id_] = Artifact(id_, run_id, body["epoch"], body, f"artifacts/{id_}")
        stored = known.data is not None or body["kind"] == "table"
        known.recorded = known.recorded or body["kind"] == "table"
        answer = {"artifact_id": known.artifact_id, "state": "recorded" if known.recorded else "begun"}
        return 200, {**answer, "already_stored": stored, "upload": None if stored else self._upload(known)}

    def _upload(self, artifact: Artifact) -> Json:
        checksum = base64.b64encode(bytes.fromhex(artifact.body["sha256"])).decode()
        headers = {"content-length": str(artifact.body["size"]), "content-type": artifact.body["media_type"]}
        headers |= {"x-amz-checksum-sha256": checksum, "if-none-match": "*"}
        url = f"{self.room.url}/store/{artifact.key}?X-Amz-Signature={artifact.artifact_id}"
        return {"method": "PUT", "url": url, "headers": headers, "expires_at": now_text(900)}

    def record(self, body: Json, run_id: str, artifact_id: str) -> tuple[int, Json]:
        self._held(run_id, body["epoch"])
        artifact = self.room.artifacts.get(artifact_id)
        if artifact is None or (artifact.run_id, artifact.epoch) != (run_id, body["epoch"]):
            raise make("artifact_not_found", f"there is no artifact {artifact_id}")
        if artifact.data is None:
            raise make("upload_missing", f"the store holds no object for {artifact.body['name']}")
        artifact.recorded = True
        told = {name: artifact.body.get(name) for name in ("name", "kind", "media_type", "size", "sha256", "metadata")}
        told["metadata"] = told["metadata"] or {}
        ids = {"artifact_id": artifact_id, "run_id": run_id, "epoch": artifact.epoch}
        return 200, {**ids, **told, "state": "recorded", "table": None, "recorded_at": now_text()}

    def batch(self, body: Json, run_id: str) -> tuple[int, Json]:
        recorded = [
            {"artifact_id": one["artifact_id"]}
            | member("artifact", partial(self.record, {"epoch": one["epoch"]}, run_id, one["artifact_id"]))
            for one in body["record"]
        ]
        begun = [{"name": one["name"]} | member("answer", partial(self.begin, one, run_id)) for one in body["begin"]]
        return 200, {"recorded": recorded, "begun": begun}

    def sign_parts(self, body: Json, run_id: str, artifact_id: str) -> tuple[int, Json]:
        """Of a server that wants one PUT, which `resume` leaves it free to."""
        self._held(run_id, body["epoch"])
        raise make("upload_missing", f"no upload in parts is open for artifact {artifact_id}")

    def report(self, body: Json, run_id: str) -> tuple[int, Json]:
        run = self._held(run_id, body["epoch"], reporting=True)
        before = run.reports.get(body["epoch"])
        if before and before["outcome"] != body["outcome"]:
            raise make("already_reported", "another report is on record", outcome=before["outcome"])
        run.reports.setdefault(body["epoch"], body)
        state = {"succeeded": "succeeded", "cancelled": "cancelled"}.get(body["outcome"], "failed")
        ids = {"run_id": run_id, "epoch": body["epoch"], "attempt": run.attempt, "outcome": body["outcome"]}
        told = {"repeated": before is not None, "run_state": state, "publications": []}
        return 200, {**ids, **told, "route": {"decision": "finish", "reason": None, "retry_at": None}}

    def exchange(self, body: Json, executor_id: str) -> tuple[int, Json]:
        self._executor(executor_id)
        answers = [self._reported(member) for member in body["reports"]]
        wait = 0 if body["reports"] else body.get("wait_seconds", 0)
        runs = self._claimed(body, executor_id, wait)
        return 200, {"reports": answers, "runs": runs, "claim_problem": None, "server_time": now_text()}

    def _reported(self, member: Json) -> Json:
        ids = {"run_id": member["run_id"], "epoch": member["report"]["epoch"]}
        try:
            for artifact_id in member.get("artifacts", []):
                self.record({"epoch": ids["epoch"]}, ids["run_id"], artifact_id)
            return {**ids, "answer": self.report(member["report"], ids["run_id"])[1], "problem": None}
        except ContractError as error:
            return {**ids, "answer": None, "problem": error.problem()}

    def commit(self, body: Json, run_id: str, output: str) -> tuple[int, Json]:
        self._held(run_id, body["epoch"], reporting=True)
        raise make("publication_not_found", f"this run publishes no output {output}")

    def earlier(self, body: Json, run_id: str) -> tuple[int, Json]:
        self._held(run_id, body["epoch"])
        return 200, {"attempts": []}

    def get_artifact(self, body: Json, artifact_id: str) -> tuple[int, Json]:
        raise make("artifact_not_found", f"there is no artifact {artifact_id} to read")

    def get_bundle(self, body: Json, sha256: str) -> tuple[int, Json]:
        if sha256 != hashlib.sha256(self.room.bundle).hexdigest():
            raise make("bundle_not_found", "there is no such bundle")
        url = f"{self.room.url}/store/bundles/{sha256}?X-Amz-Signature=bundle"
        return 200, {"sha256": sha256, "size": len(self.room.bundle), "url": url, "expires_at": now_text(900)}
