"""How each operation succeeds: one scenario for each, an async function (plane) -> response."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable

import httpx

from tests.contract.plane import (
    EXECUTOR,
    OTHER,
    Plane,
    begin_body,
    claim_body,
    log_body,
    registration,
    report_body,
)
from tests.contract.scenarios import COMMITTED, Scenario

SUCCESS: dict[str, Scenario] = {}


def succeeds(operation: str) -> Callable[[Scenario], Scenario]:
    """Register the scenario of an operation's success."""

    def register(scenario: Scenario) -> Scenario:
        SUCCESS[operation] = scenario
        return scenario

    return register


@succeeds("getContract")
async def _(plane: Plane) -> httpx.Response:
    return await plane.call("GET", "/openapi.yaml")


@succeeds("registerExecutor")
async def _(plane: Plane) -> httpx.Response:
    return await plane.call("POST", "/executors", registration())


@succeeds("leaveExecutor")
async def _(plane: Plane) -> httpx.Response:
    return await plane.call("DELETE", f"/executors/{await plane.register()}")


@succeeds("claimRuns")
async def _(plane: Plane) -> httpx.Response:
    executor_id = await plane.register()
    await plane.submit()
    return await plane.call("POST", f"/executors/{executor_id}/claims", claim_body())


@succeeds("exchange")
async def _(plane: Plane) -> httpx.Response:
    executor_id, run = await plane.claimed()
    begun = (await plane.begin(run, b"bytes to exchange")).json()
    if begun["upload"]:
        await plane.put(begun["upload"], b"bytes to exchange")
    await plane.submit()
    good = {"run_id": run["run_id"], "report": report_body(run), "artifacts": [begun["artifact_id"]]}
    stale = {"run_id": str(uuid.uuid4()), "report": report_body(run)}
    body = {"request_id": str(uuid.uuid4()), "reports": [stale, good], "max_runs": 1}
    response = await plane.call("POST", f"/executors/{executor_id}/exchange", body)
    refused, accepted = response.json()["reports"]
    assert refused["problem"]["code"] == "run_not_found"
    assert accepted["answer"]["run_state"] == "succeeded"
    assert len(response.json()["runs"]) == 1
    return response


@succeeds("awaitOrders")
async def _(plane: Plane) -> httpx.Response:
    executor_id, run = await plane.claimed()
    path = f"/executors/{executor_id}/orders"
    place = (await plane.call("POST", path, {"wait_seconds": 0})).json()["place"]
    await plane.store.cancel_run(plane.operator, run["run_id"], {"reason": "test"})
    response = await plane.call("POST", path, {"wait_seconds": 20, "after": place})
    assert response.json()["heard"]
    return response


@succeeds("heartbeat")
async def _(plane: Plane) -> httpx.Response:
    executor_id, run = await plane.claimed()
    progress = {"fraction": 0.5, "message": "half", "current": 1, "total": 2, "unit": "steps"}
    held = {"run_id": run["run_id"], "epoch": run["epoch"], "progress": progress, "usage": {"cpu_seconds": 1.5}}
    held["metrics"] = {"loss": 0.5}
    unknown = {"run_id": str(uuid.uuid4()), "epoch": 3}
    body = {"state": "active", "runs": [held, unknown]}
    return await plane.call("POST", f"/executors/{executor_id}/heartbeat", body)


@succeeds("appendLogs")
async def _(plane: Plane) -> httpx.Response:
    _, run = await plane.claimed()
    return await plane.call("POST", f"/runs/{run['run_id']}/logs", log_body(run))


@succeeds("beginArtifact")
async def _(plane: Plane) -> httpx.Response:
    _, run = await plane.claimed()
    return await plane.begin(run, b"to be uploaded" + uuid.uuid4().bytes)


@succeeds("recordArtifact")
async def _(plane: Plane) -> httpx.Response:
    _, run = await plane.claimed()
    return await plane.stored(run, b"bytes of record")


@succeeds("batchArtifacts")
async def _(plane: Plane) -> httpx.Response:
    _, run = await plane.claimed()
    begun = (await plane.begin(run, b"first of a batch")).json()
    if begun["upload"]:
        await plane.put(begun["upload"], b"first of a batch")
    wrong = begin_body(run, b"x", "../x")
    good = begin_body(run, b"second of a batch", "second")
    body = {"record": [{"artifact_id": begun["artifact_id"], "epoch": run["epoch"]}], "begin": [wrong, good]}
    response = await plane.call("POST", f"/runs/{run['run_id']}/artifacts/batch", body)
    told = response.json()
    assert told["recorded"][0]["artifact"]["state"] == "recorded"
    assert [one["problem"] and one["problem"]["code"] for one in told["begun"]] == ["artifact_name_invalid", None]
    return response


@succeeds("signParts")
async def _(plane: Plane) -> httpx.Response:
    _, run = await plane.claimed()
    data = b"in one part" + uuid.uuid4().bytes
    begun = (await plane.begin(run, data, resume=True)).json()
    assert (begun["upload"], begun["multipart"]["parts"]) == (None, 1)
    return await plane.sign(run, begun["artifact_id"], [data])


@succeeds("findEarlier")
async def _(plane: Plane) -> httpx.Response:
    executor_id, first = await plane.claimed()
    await plane.stored(first, b"a model")
    await plane.report(first)
    await plane.submit()
    (run,) = await plane.claim(executor_id)
    name = begin_body(first, b"a model")["name"]
    body = {"epoch": run["epoch"], "of": "success", "names": [name]}
    response = await plane.call("POST", f"/runs/{run['run_id']}/earlier", body)
    assert [each["artifacts"][0]["name"] for each in response.json()["attempts"]] == [name]
    return response


@succeeds("getArtifact")
async def _(plane: Plane) -> httpx.Response:
    _, run = await plane.claimed()
    artifact = (await plane.stored(run, b"an input")).json()
    await plane.report(run)
    return await plane.call("GET", f"/artifacts/{artifact['artifact_id']}", token=OTHER)


@succeeds("getBundle")
async def _(plane: Plane) -> httpx.Response:
    sha256 = hashlib.sha256(b"bundle").hexdigest()
    await plane.store.put_bundle(plane.operator, {"sha256": sha256, "size": 6, "stored": True})
    await plane.claimed("bundled", bundle={"sha256": sha256, "size": 6})
    return await plane.call("GET", f"/bundles/{sha256}", token=EXECUTOR)


@succeeds("reportAttempt")
async def _(plane: Plane) -> httpx.Response:
    _, run = await plane.claimed()
    return await plane.report(run)


@succeeds("commitPublication")
async def _(plane: Plane) -> httpx.Response:
    run = await plane.publishing()
    path = f"/runs/{run['run_id']}/publications/table/commit"
    return await plane.call("POST", path, COMMITTED | {"epoch": run["epoch"]})
