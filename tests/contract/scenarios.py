"""How each documented error of each operation is met: one scenario per (operation, code).

Each is an async function (plane) -> response. `COMMON` meets what every operation can answer in the same way.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from tests.contract.document import operations
from tests.contract.plane import (
    ERROR,
    GARBAGE,
    OPERATOR,
    Plane,
    begin_body,
    claim_body,
    log_body,
    registration,
    report_body,
)

Scenario = Callable[[Plane], Awaitable[httpx.Response]]
SPECIFIC: dict[tuple[str, str], Scenario] = {}
SHA = hashlib.sha256(b"nothing").hexdigest()
RUN = {"run_id": str(uuid.UUID(int=1)), "epoch": 1, "outputs": [{"name": "table", "mode": "append", "uri": "s3://x"}]}
COMMITTED = {"epoch": 1, "state": "committed", "table_version": 0, "rows": 3}
PARAMETERS = {
    **{"executor_id": str(uuid.UUID(int=2)), "run_id": RUN["run_id"], "artifact_id": str(uuid.UUID(int=3))},
    **{"output": "table", "sha256": SHA},
}
BAD_PARAMETERS = {"executor_id": "7", "run_id": "7", "artifact_id": "7", "output": "-", "sha256": "7"}
BODIES: dict[str, Callable[[], dict[str, Any]]] = {
    "registerExecutor": registration,
    "claimRuns": claim_body,
    "exchange": lambda: {"request_id": str(uuid.uuid4()), "reports": [], "max_runs": 0},
    "awaitOrders": lambda: {"wait_seconds": 0},
    "heartbeat": lambda: {"state": "active", "runs": []},
    "appendLogs": lambda: log_body(RUN),
    "beginArtifact": lambda: begin_body(RUN, b"x"),
    "recordArtifact": lambda: {"epoch": 1},
    "batchArtifacts": lambda: {"record": [], "begin": []},
    "signParts": lambda: {"epoch": 1, "parts": []},
    "findEarlier": lambda: {"epoch": 1, "of": "attempts", "names": ["model.bin"]},
    "reportAttempt": lambda: report_body(RUN),
    "commitPublication": lambda: COMMITTED,
}


async def send(plane: Plane, name: str, bad: bool = False, **options: Any) -> httpx.Response:
    """A valid request for an operation, to things that do not exist; `bad` breaks its parameters."""
    operation = operations()[name]
    path = operation.path.format_map(BAD_PARAMETERS if bad else PARAMETERS)
    if operation.has_body and "content" not in options:
        options.setdefault("body", BODIES[name]())
    return await plane.call(operation.method, path, **options)


def _json(content: bytes, media_type: str = "application/json") -> dict[str, Any]:
    return {"content": content, "headers": {"content-type": media_type}}


async def _internal(plane: Plane, name: str) -> httpx.Response:
    # A defect as it would come: a function of the schema is not there.
    plane.ops.admin.execute("drop function if exists ops.authenticate")
    return await send(plane, name)


COMMON: dict[str, Callable[[Plane, str], Awaitable[httpx.Response]]] = {
    "unauthenticated": lambda plane, name: send(plane, name, token=GARBAGE),
    "forbidden": lambda plane, name: send(plane, name, token=OPERATOR),
    "malformed_json": lambda plane, name: send(plane, name, **_json(b'{"a": 1,}')),
    "invalid_encoding": lambda plane, name: send(plane, name, **_json(b'{"a": "\xff"}')),
    "payload_too_large": lambda plane, name: send(plane, name, **_json(b" " * ((4 << 20) + 1))),
    "unsupported_media_type": lambda plane, name: send(plane, name, **_json(b"a: 1", "application/yaml")),
    "invalid_request": lambda plane, name: send(plane, name, bad=True),
    "internal": _internal,
}


def meets(operation: str, code: str) -> Callable[[Scenario], Scenario]:
    """Register the scenario of an error that is particular to an operation."""

    def register(scenario: Scenario) -> Scenario:
        SPECIFIC[operation, code] = scenario
        return scenario

    return register


# What is not there ---------------------------------------------------------------------------------------------------

for _operation, _code in (
    *((name, "executor_not_found") for name in ("leaveExecutor", "claimRuns", "awaitOrders", "heartbeat")),
    *((name, "run_not_found") for name in ("appendLogs", "beginArtifact", "reportAttempt", "commitPublication")),
    ("findEarlier", "run_not_found"),
    ("signParts", "run_not_found"),
    *(("recordArtifact", "run_not_found"), ("getArtifact", "artifact_not_found"), ("getBundle", "bundle_not_found")),
):
    SPECIFIC[_operation, _code] = lambda plane, name=_operation: send(plane, name)  # type: ignore[misc]


@meets("registerExecutor", "workspace_not_found")
async def _(plane: Plane) -> httpx.Response:
    return await plane.call("POST", "/executors", registration(workspaces=["atlantis"]))


@meets("recordArtifact", "artifact_not_found")
async def _(plane: Plane) -> httpx.Response:
    _, run = await plane.claimed()
    return await plane.record(run, str(uuid.uuid4()))


@meets("signParts", "artifact_not_found")
async def _(plane: Plane) -> httpx.Response:
    _, run = await plane.claimed()
    return await plane.sign(run, str(uuid.uuid4()), [])


@meets("commitPublication", "publication_not_found")
async def _(plane: Plane) -> httpx.Response:
    run = await plane.publishing()
    return await plane.call("POST", f"/runs/{run['run_id']}/publications/other/commit", COMMITTED)


# What does not go with what is on record -----------------------------------------------------------------------------


@meets("registerExecutor", "contract_version_unsupported")
async def _(plane: Plane) -> httpx.Response:
    return await plane.call("POST", "/executors", registration(contract={"min": "2.0", "max": "2.7"}))


async def _gone(plane: Plane) -> tuple[str, dict[str, Any]]:
    body = registration()
    executor_id = (await plane.call("POST", "/executors", body)).json()["executor_id"]
    assert (await plane.call("DELETE", f"/executors/{executor_id}")).status_code == 204
    return executor_id, body


@meets("registerExecutor", "executor_gone")
async def _(plane: Plane) -> httpx.Response:
    _, body = await _gone(plane)
    return await plane.call("POST", "/executors", body)


@meets("claimRuns", "executor_gone")
async def _(plane: Plane) -> httpx.Response:
    executor_id, _ = await _gone(plane)
    return await plane.call("POST", f"/executors/{executor_id}/claims", claim_body())


@meets("heartbeat", "executor_gone")
async def _(plane: Plane) -> httpx.Response:
    executor_id, _ = await _gone(plane)
    return await plane.call("POST", f"/executors/{executor_id}/heartbeat", {"state": "active", "runs": []})


@meets("claimRuns", "request_id_conflict")
async def _(plane: Plane) -> httpx.Response:
    executor_id = await plane.register()
    await plane.submit()
    body = claim_body()
    await plane.call("POST", f"/executors/{executor_id}/claims", body)
    return await plane.call("POST", f"/executors/{executor_id}/claims", body | {"max_runs": 2})


def _stale(name: str, suffix: str, body: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    async def scenario(plane: Plane) -> httpx.Response:
        _, run = await plane.claimed()
        await plane.store.cancel_run(plane.operator, run["run_id"], {"reason": "test", "force": True})
        return await plane.call("POST", f"/runs/{run['run_id']}{suffix}", body(run))

    SPECIFIC[name, "lease_lost"] = scenario


_stale("appendLogs", "/logs", log_body)
_stale("beginArtifact", "/artifacts", lambda run: begin_body(run, b"x"))
_stale("signParts", f"/artifacts/{uuid.UUID(int=3)}/parts", lambda run: {"epoch": run["epoch"], "parts": []})
_stale("findEarlier", "/earlier", lambda run: {"epoch": run["epoch"], "of": "success", "names": ["model.bin"]})
_stale("reportAttempt", "/report", report_body)
_stale("commitPublication", "/publications/table/commit", lambda run: COMMITTED | {"epoch": run["epoch"]})


@meets("recordArtifact", "lease_lost")
async def _(plane: Plane) -> httpx.Response:
    _, run = await plane.claimed()
    begun = (await plane.begin(run, b"bytes that are there")).json()
    await plane.put(begun["upload"], b"bytes that are there")
    await plane.store.cancel_run(plane.operator, run["run_id"], {"reason": "test", "force": True})
    return await plane.record(run, begun["artifact_id"])


@meets("appendLogs", "log_conflict")
async def _(plane: Plane) -> httpx.Response:
    _, run = await plane.claimed()
    await plane.call("POST", f"/runs/{run['run_id']}/logs", log_body(run, text="one"))
    return await plane.call("POST", f"/runs/{run['run_id']}/logs", log_body(run, text="two"))


@meets("beginArtifact", "artifact_conflict")
async def _(plane: Plane) -> httpx.Response:
    _, run = await plane.claimed()
    await plane.begin(run, b"some bytes")
    return await plane.begin(run, b"other bytes")


@meets("recordArtifact", "upload_missing")
async def _(plane: Plane) -> httpx.Response:
    _, run = await plane.claimed()
    begun = await plane.begin(run, b"never uploaded" + uuid.uuid4().bytes)
    return await plane.record(run, begun.json()["artifact_id"])


@meets("recordArtifact", "digest_mismatch")
async def _(plane: Plane) -> httpx.Response:
    _, run = await plane.claimed()
    data = b"right" + uuid.uuid4().bytes
    begun = (await plane.begin(run, data)).json()
    # Somebody with the server's own key put other bytes there.
    key = f"default/sha256/{hashlib.sha256(data).hexdigest()[:2]}/{hashlib.sha256(data).hexdigest()}"
    plane.s3.put_object(Bucket="artifacts", Key=key, Body=b"wrong" + data[5:])
    return await plane.record(run, begun["artifact_id"])


@meets("recordArtifact", "artifact_verifying")
async def _(plane: Plane) -> httpx.Response:
    _, run = await plane.claimed()
    data = b"in one part" + uuid.uuid4().bytes
    begun = (await plane.begin(run, data, resume=True)).json()
    (part,) = (await plane.sign(run, begun["artifact_id"], [data])).json()["uploads"]
    await plane.put(part["upload"], data)
    plane.app.state.executor_plane.verifier.patience = 0.0  # as if the object were large
    return await plane.record(run, begun["artifact_id"])


@meets("signParts", "upload_missing")
async def _(plane: Plane) -> httpx.Response:
    _, run = await plane.claimed()
    begun = (await plane.begin(run, b"in one go" + uuid.uuid4().bytes)).json()
    return await plane.sign(run, begun["artifact_id"], [])


@meets("signParts", "digest_mismatch")
async def _(plane: Plane) -> httpx.Response:
    _, run = await plane.claimed()
    data = b"in one part" + uuid.uuid4().bytes
    begun = (await plane.begin(run, data, resume=True)).json()
    await plane.sign(run, begun["artifact_id"], [data])
    return await plane.sign(run, begun["artifact_id"], [b"another part"])


@meets("reportAttempt", "already_reported")
async def _(plane: Plane) -> httpx.Response:
    _, run = await plane.claimed()
    await plane.report(run)
    return await plane.report(run, outcome="failed", error=ERROR)


@meets("reportAttempt", "idempotency_conflict")
async def _(plane: Plane) -> httpx.Response:
    executor_id, first = await plane.claimed()
    await plane.submit()
    (second,) = await plane.claim(executor_id)
    await plane.report(first, idempotency_key="the same")
    return await plane.report(second, idempotency_key="the same")


@meets("commitPublication", "publication_conflict")
async def _(plane: Plane) -> httpx.Response:
    run = await plane.publishing()
    path = f"/runs/{run['run_id']}/publications/table/commit"
    await plane.call("POST", path, COMMITTED | {"epoch": run["epoch"]})
    return await plane.call("POST", path, COMMITTED | {"epoch": run["epoch"], "table_version": 9})


# What is refused for what it holds -----------------------------------------------------------------------------------


@meets("registerExecutor", "unknown_kind")
async def _(plane: Plane) -> httpx.Response:
    return await plane.call("POST", "/executors", registration(kind="fortran"))


@meets("registerExecutor", "invalid_request")
async def _(plane: Plane) -> httpx.Response:
    return await plane.call("POST", "/executors", registration(slots=0))


@meets("beginArtifact", "artifact_name_invalid")
async def _(plane: Plane) -> httpx.Response:
    _, run = await plane.claimed()
    return await plane.begin(run, b"x", name="../../etc/passwd")


@meets("beginArtifact", "cap_exceeded")
async def _(plane: Plane) -> httpx.Response:
    _, run = await plane.claimed("capped", caps={"artifact_bytes": 10})
    return await plane.begin(run, b"x" * 11)


@meets("appendLogs", "cap_exceeded")
async def _(plane: Plane) -> httpx.Response:
    _, run = await plane.claimed("capped", caps={"log_bytes": 10})
    return await plane.call("POST", f"/runs/{run['run_id']}/logs", log_body(run, text="x" * 11))
