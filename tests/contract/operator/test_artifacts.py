"""Artifacts: download, show, verify. What users made never acts as the operator."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import httpx
import pytest

from tests.contract.operator.conftest import API, Server, Worker, problem, sha256_hex
from tests.support.seaweed import Seaweed

HTML = b"<!doctype html><script>fetch('/api/v1/runs')</script><p>Delays"


def object_key(server: Server, artifact_id: str) -> str:
    key: str = server.ops.value("select object_key from ops.artifacts where artifact_id = %s", artifact_id)
    return key


async def test_a_download_is_a_short_lived_link_that_saves_the_file(server: Server, worker: Worker) -> None:
    artifact_id = await worker.artifact("plots/délais 1.html", HTML)
    await worker.succeed()
    answer = await server.operator.get(f"{API}/artifacts/{artifact_id}/download")
    assert answer.status_code == 307
    query = parse_qs(urlsplit(answer.headers["location"]).query)
    assert int(query["X-Amz-Expires"][0]) <= 900
    async with httpx.AsyncClient(trust_env=False) as store:
        found = await store.get(answer.headers["location"])
    assert found.content == HTML
    assert found.headers["content-disposition"] == "attachment; filename*=UTF-8''d%C3%A9lais%201.html"


@pytest.mark.parametrize("media_type", ["text/html", "TEXT/HTML; charset=utf-8", "image/svg+xml"])
async def test_what_can_hold_scripts_is_shown_in_a_sandbox(server: Server, worker: Worker, media_type: str) -> None:
    artifact_id = await worker.artifact("report.html", HTML, media_type)
    answer = await server.operator.get(f"{API}/artifacts/{artifact_id}/download", params={"inline": "true"})
    assert (answer.status_code, answer.content) == (200, HTML)
    directives = [part.strip() for part in answer.headers["content-security-policy"].split(";")]
    assert "sandbox allow-scripts" in directives
    assert "allow-same-origin" not in answer.headers["content-security-policy"]
    assert "default-src 'none'" in directives
    assert "frame-ancestors 'self'" in directives
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "SAMEORIGIN"
    assert answer.headers["content-disposition"].startswith("inline")
    assert "set-cookie" not in answer.headers


async def test_a_type_that_browsers_should_not_show_is_saved_although_inline_was_asked(
    server: Server, worker: Worker
) -> None:
    artifact_id = await worker.artifact("page.xhtml", HTML, "application/xhtml+xml")
    answer = await server.operator.get(f"{API}/artifacts/{artifact_id}/download", params={"inline": "true"})
    assert answer.status_code == 307


async def test_a_shown_artifact_is_not_sent_twice(server: Server, worker: Worker) -> None:
    path = f"{API}/artifacts/{await worker.artifact('report.html', HTML)}/download?inline=true"
    etag = (await server.operator.get(path)).headers["etag"]
    again = await server.operator.get(path, headers={"if-none-match": etag})
    assert (again.status_code, again.content) == (304, b"")


async def test_verify_recomputes_the_digest_from_the_store(
    server: Server, worker: Worker, object_store: Seaweed
) -> None:
    data = uuid4().bytes * 100_000
    artifact_id = await worker.artifact("data.bin", data, "application/octet-stream", "file")
    found = (await server.operator.get(f"{API}/artifacts/{artifact_id}/verify")).json()
    digest = sha256_hex(data)
    assert found == {"ok": True, "size": len(data), "sha256_expected": digest, "sha256_actual": digest}

    object_store.client().put_object(Bucket="artifacts", Key=object_key(server, artifact_id), Body=b"other")
    found = (await server.operator.get(f"{API}/artifacts/{artifact_id}/verify")).json()
    assert (found["ok"], found["size"], found["sha256_actual"]) == (False, 5, sha256_hex(b"other"))

    object_store.client().delete_object(Bucket="artifacts", Key=object_key(server, artifact_id))
    found = (await server.operator.get(f"{API}/artifacts/{artifact_id}/verify")).json()
    assert (found["ok"], found["size"], found["sha256_actual"]) == (False, None, None)


async def test_bytes_that_are_not_the_recorded_ones_are_never_shown(
    server: Server, worker: Worker, object_store: Seaweed
) -> None:
    artifact_id = await worker.artifact("report.html", HTML + uuid4().bytes)
    object_store.client().put_object(Bucket="artifacts", Key=object_key(server, artifact_id), Body=b"<p>forged")
    answer = await server.operator.get(f"{API}/artifacts/{artifact_id}/download", params={"inline": "true"})
    problem(answer, 409, "digest_mismatch")


async def test_an_artifact_without_bytes_says_so(server: Server, worker: Worker) -> None:
    body = {"name": "late", "kind": "file", "media_type": "text/plain", "size": 1, "sha256": sha256_hex(b"x")}
    begun = await worker.call("artifacts", metadata={}, **body)
    problem(await server.operator.get(f"{API}/artifacts/{begun['artifact_id']}/download"), 409, "upload_missing")
    table = {"format": "delta", "uri": "s3://lakehouse/t", "version": 3}
    begun = await worker.call("artifacts", name="t", kind="table", metadata={}, table=table)
    found = problem(
        await server.operator.get(f"{API}/artifacts/{begun['artifact_id']}/download"), 409, "invalid_transition"
    )
    assert "s3://lakehouse/t" in found["hint"]


async def test_an_unknown_artifact_is_not_found(server: Server) -> None:
    problem(await server.operator.get(f"{API}/artifacts/{uuid4()}/verify"), 404, "artifact_not_found")
    problem(await server.operator.get(f"{API}/artifacts/7/verify"), 422, "invalid_request")


async def test_a_runs_artifacts_are_listed_without_their_place_in_the_store(server: Server, worker: Worker) -> None:
    artifact_id = await worker.artifact("report.html", HTML)
    (found,) = (await server.operator.get(f"{API}/runs/1/artifacts")).json()["items"]
    assert found["artifact_id"] == artifact_id
    assert found["sha256"] == sha256_hex(HTML)
    assert "object_key" not in found
