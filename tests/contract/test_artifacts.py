"""Artifacts through presigned URLs: the store refuses other bytes, objects are written once, nothing is trusted."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sys
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from contract import models
from contract.client import ExecutorClient
from contract.errors import DigestMismatch, Forbidden
from contract.server.object_store import ObjectStore, StoredObject
from tests.contract.document import PREFIX
from tests.contract.plane import EXECUTOR, OTHER, Plane, begin_body, server_settings
from tests.contract.served import served, until
from tests.support.seaweed import Seaweed


def fresh(text: str = "bytes ") -> bytes:
    """Bytes that no other test stores: objects live under their digest."""
    return text.encode() + uuid.uuid4().bytes


async def test_the_signature_covers_length_checksum_and_write_once(plane: Plane) -> None:
    _, run = await plane.claimed()
    data = fresh()
    upload = (await plane.begin(run, data)).json()["upload"]
    query = parse_qs(urlsplit(upload["url"]).query)
    signed = set(query["X-Amz-SignedHeaders"][0].split(";"))
    assert {"x-amz-checksum-sha256", "content-length", "if-none-match", "content-type", "host"} <= signed
    assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    assert int(query["X-Amz-Expires"][0]) <= 900
    assert set(upload["headers"]) == signed - {"host"}
    assert upload["headers"]["if-none-match"] == "*"
    assert upload["headers"]["content-length"] == str(len(data))
    assert datetime.fromisoformat(upload["expires_at"]) <= datetime.now(UTC) + timedelta(minutes=15)


async def test_the_store_refuses_other_bytes_than_signed(plane: Plane) -> None:
    _, run = await plane.claimed()
    data = fresh()
    begun = (await plane.begin(run, data)).json()
    upload = begun["upload"]
    corrupted = await plane.put(upload, b"B" + data[1:])
    assert (corrupted.status_code, "BadDigest" in corrupted.text) == (400, True)
    longer = await plane.put(
        upload | {"headers": upload["headers"] | {"content-length": str(len(data) + 1)}}, data + b"x"
    )
    assert longer.status_code == 403
    assert (await plane.record(run, begun["artifact_id"])).json()["code"] == "upload_missing"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a\u0378b", "U+0378"),
        ("a\U000e0fffb", "U+E0FFF"),
        ("a\ufffeb", "U+FFFE"),
        ("a\u202eb", "U+202E"),
        ("a.", "dot"),
    ],
)
async def test_a_name_that_shows_as_something_else_is_refused(plane: Plane, name: str, said: str) -> None:
    _, run = await plane.claimed()
    answer = await plane.begin(run, fresh(), name)
    assert (answer.status_code, answer.json()["code"]) == (422, "artifact_name_invalid")
    assert said in answer.json()["detail"]
    assert answer.json()["hint"]


async def test_a_name_with_half_a_surrogate_pair_is_no_text(plane: Plane) -> None:
    _, run = await plane.claimed()
    body = json.dumps(begin_body(run, fresh(), "a\ud800b"))
    path = f"{PREFIX}/runs/{run['run_id']}/artifacts"
    headers = {"authorization": f"Bearer {EXECUTOR}", "content-type": "application/json"}
    answer = await plane.http.post(path, content=body, headers=headers)
    assert answer.status_code in (400, 422)
    assert "surrogate" in answer.text


@pytest.mark.parametrize("dropped", ["x-amz-checksum-sha256", "if-none-match", "content-type"])
async def test_the_store_refuses_a_put_without_a_signed_header(plane: Plane, dropped: str) -> None:
    _, run = await plane.claimed()
    data = fresh()
    upload = (await plane.begin(run, data)).json()["upload"]
    headers = {name: value for name, value in upload["headers"].items() if name != dropped}
    assert (await plane.put(upload | {"headers": headers}, data)).status_code == 403


async def test_a_lost_answer_of_the_put_is_settled_by_record(plane: Plane) -> None:
    _, run = await plane.claimed()
    data = fresh()
    begun = (await plane.begin(run, data)).json()
    assert (await plane.put(begun["upload"], data)).status_code == 200
    assert (await plane.put(begun["upload"], data)).status_code == 412
    recorded = await plane.record(run, begun["artifact_id"])
    assert recorded.json()["state"] == "recorded"
    assert (await plane.record(run, begun["artifact_id"])).json() == recorded.json()


async def test_bytes_that_are_stored_already_are_not_sent_again(plane: Plane) -> None:
    _, run = await plane.claimed()
    data = fresh()
    first = (await plane.begin(run, data, "a")).json()
    await plane.put(first["upload"], data)
    again = (await plane.begin(run, data, "a")).json()
    assert again == first | {"already_stored": True, "upload": None}
    second = (await plane.begin(run, data, "b")).json()
    assert (second["already_stored"], second["upload"]) == (True, None)
    assert (await plane.record(run, second["artifact_id"])).json()["state"] == "recorded"


async def test_a_digest_alone_opens_nothing_of_another_workspace(plane: Plane) -> None:
    _, owned = await plane.claimed()
    data = fresh("another tenant's ")
    first = (await plane.begin(owned, data)).json()
    assert (await plane.put(first["upload"], data)).status_code == 200
    assert (await plane.record(owned, first["artifact_id"])).json()["state"] == "recorded"

    lab, probe = await plane.claimed_in("lab")
    guess = (await plane.begin(probe, data, token=lab)).json()
    assert guess["already_stored"] is False
    assert urlsplit(guess["upload"]["url"]).path != urlsplit(first["upload"]["url"]).path
    refused = await plane.record(probe, guess["artifact_id"], token=lab)
    assert refused.json()["code"] == "upload_missing"
    found = await plane.call("GET", f"/artifacts/{guess['artifact_id']}", token=lab)
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(found.json()["url"])).status_code == 404
    assert (await plane.put(guess["upload"], data)).status_code == 200, "its own copy of the bytes"
    assert (await plane.record(probe, guess["artifact_id"], token=lab)).json()["state"] == "recorded"


async def test_a_bundle_opens_only_with_a_run_that_uses_it(plane: Plane) -> None:
    data = fresh("bundle ")
    sha256 = hashlib.sha256(data).hexdigest()
    bundle = {"sha256": sha256, "size": len(data)}
    key = (await plane.store.put_bundle(plane.operator, bundle))["object_key"]
    await asyncio.to_thread(lambda: plane.s3.put_object(Bucket="artifacts", Key=key, Body=data))
    await plane.store.put_bundle(plane.operator, bundle | {"stored": True})
    await plane.claimed()
    assert (await plane.call("GET", f"/bundles/{sha256}")).json()["code"] == "bundle_not_found"
    _, run = await plane.claimed("bundled", bundle=bundle)
    async with httpx.AsyncClient(trust_env=False) as client:
        link = (await plane.call("GET", f"/bundles/{sha256}")).json()
        assert (await client.get(link["url"])).content == data
    assert (await plane.call("GET", f"/bundles/{sha256}", token=OTHER)).json()["code"] == "bundle_not_found"
    await plane.report(run)
    assert (await plane.call("GET", f"/bundles/{sha256}")).json()["code"] == "bundle_not_found"


async def test_the_same_begin_again_gets_the_same_artifact(plane: Plane) -> None:
    _, run = await plane.claimed()
    data = fresh()
    first, second = (await plane.begin(run, data)).json(), (await plane.begin(run, data)).json()
    assert first["artifact_id"] == second["artifact_id"]
    assert second["upload"] is not None


async def test_an_object_without_a_checksum_is_hashed_by_the_server(plane: Plane) -> None:
    _, run = await plane.claimed()
    data = os.urandom(3_000_000)
    digest = hashlib.sha256(data).hexdigest()
    key = f"default/sha256/{digest[:2]}/{digest}"
    begun = (await plane.begin(run, data)).json()
    await asyncio.to_thread(lambda: plane.s3.put_object(Bucket="artifacts", Key=key, Body=data))
    assert await plane.objects.head(key) == StoredObject(len(data), None)
    assert (await plane.record(run, begun["artifact_id"])).json()["sha256"] == digest


@pytest.mark.parametrize("version", [0, 2**63 - 1])  # a Delta version, the largest snapshot id of Iceberg
async def test_a_table_has_no_bytes(plane: Plane, version: int) -> None:
    _, run = await plane.claimed()
    table = {"format": "delta", "uri": "s3://lakehouse/t", "version": version}
    body = {"epoch": run["epoch"], "name": "t", "kind": "table", "table": table, "metadata": {"rows": 3}}
    begun = (await plane.call("POST", f"/runs/{run['run_id']}/artifacts", body)).json()
    assert begun["upload"] is None
    assert (await plane.record(run, begun["artifact_id"])).json()["table"] == table
    await plane.report(run)
    found = (await plane.call("GET", f"/artifacts/{begun['artifact_id']}")).json()
    assert (found["url"], found["table"]["version"]) == (None, version)


async def test_an_artifact_is_readable_by_others_only_with_the_accepted_report(plane: Plane) -> None:
    _, run = await plane.claimed()
    data = fresh()
    begun = (await plane.begin(run, data)).json()
    await plane.put(begun["upload"], data)
    await plane.record(run, begun["artifact_id"])
    path = f"/artifacts/{begun['artifact_id']}"
    assert (await plane.call("GET", path, token=OTHER)).json()["code"] == "artifact_not_found"
    await plane.report(run)
    link = (await plane.call("GET", path, token=OTHER)).json()
    assert "object_key" not in link
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(link["url"])
    assert answer.content == data
    assert "out.txt" in answer.headers["content-disposition"]
    assert answer.headers["content-type"] == "text/plain"


async def test_a_url_ends_with_its_time(plane: Plane, object_store: Seaweed, tmp_path: Path) -> None:
    settings = server_settings(tmp_path, object_store, url_lifetime=timedelta(seconds=1))
    objects = ObjectStore.from_settings(settings)
    data = fresh()
    digest = hashlib.sha256(data).hexdigest()
    value = await objects.presign_put(digest, size=len(data), sha256=digest, media_type="text/plain")
    end = datetime.fromisoformat(value["expires_at"])
    async with httpx.AsyncClient(trust_env=False) as client:
        await until(lambda: datetime.now(UTC) - end > timedelta(seconds=1))
        answer = await client.put(value["url"], headers=value["headers"], content=data)
    assert answer.status_code == 403
    assert await objects.head(digest) is None


async def test_verify_tells_what_is_stored_not_what_was_announced(plane: Plane) -> None:
    key = f"damaged/{uuid.uuid4()}"
    await asyncio.to_thread(lambda: plane.s3.put_object(Bucket="artifacts", Key=key, Body=b"damaged"))
    assert await plane.objects.verify(key) == StoredObject(7, hashlib.sha256(b"damaged").hexdigest())
    assert await plane.objects.verify(f"{key}/none") is None


async def test_the_client_uploads_and_downloads_through_the_real_store(plane: Plane, tmp_path: Path) -> None:
    _, run = await plane.claimed()
    data = os.urandom(5_000_000)
    source, target = tmp_path / "source", tmp_path / "target"
    await asyncio.to_thread(source.write_bytes, data)
    digest = hashlib.sha256(data).hexdigest()
    body = models.BeginFileArtifact(
        epoch=1, name="data.bin", kind="file", media_type="application/octet-stream", size=len(data), sha256=digest
    )

    def work(url: str) -> None:
        with ExecutorClient(url, EXECUTOR) as client:
            begun = client.begin_artifact(run["run_id"], body)
            assert begun.upload is not None
            with pytest.raises(DigestMismatch):
                client.upload(begun.upload, b"X" + data[1:])
            with pytest.raises(DigestMismatch):
                client.upload(begun.upload, data[:-1])
            assert client.upload(begun.upload, source) == "stored"
            assert client.upload(begun.upload, source) == "exists"
            recorded = client.record_artifact(run["run_id"], begun.artifact_id, models.RecordArtifactRequest(epoch=1))
            assert recorded.state == "recorded"

    def read(url: str) -> None:
        with ExecutorClient(url, EXECUTOR) as client:
            artifacts = plane.ops.value("select artifact_id from ops.artifacts")
            found = client.get_artifact(artifacts)
            client.download(found, target)
            with pytest.raises(Forbidden):
                client.download(found.model_copy(update={"url": f"{found.url}0"}), tmp_path / "not")

    async with served(plane.app) as url:
        await asyncio.to_thread(work, url)
        await plane.report(run)
        await asyncio.to_thread(read, url)
    assert await asyncio.to_thread(target.read_bytes) == data


PROXIED = """
import sys
from contract.client import NO_RETRY, ExecutorClient
from contract.errors import Unavailable
from contract.server.object_store import s3_client
from contract.server.settings import ServerSettings

s3_client(ServerSettings()).head_bucket(Bucket="artifacts")
with ExecutorClient(sys.argv[1], "token", retry=NO_RETRY) as client:
    try:
        client.get_contract()
    except Unavailable:
        sys.exit("the client went through the proxy")
    except Exception as error:
        print(error)
"""


async def test_neither_server_nor_client_asks_a_proxy_for_loopback(
    plane: Plane, object_store: Seaweed, tmp_path: Path
) -> None:
    settings = server_settings(tmp_path, object_store)
    proxy = dict.fromkeys(("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"), "http://127.0.0.1:9")
    kept = {name: value for name, value in os.environ.items() if name.lower() not in {"no_proxy", "all_proxy"}}
    given = {"OPS_S3_ENDPOINT": object_store.endpoint, "OPS_S3_CREDENTIALS_FILE": str(settings.s3_credentials_file)}
    async with served(plane.app) as url:
        command = [sys.executable, "-c", PROXIED, url]
        process = await asyncio.create_subprocess_exec(*command, env=kept | proxy | given, stdout=-1, stderr=-1)
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    assert "unauthenticated" in out.decode()
