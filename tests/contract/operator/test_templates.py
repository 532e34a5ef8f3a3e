"""Templates and the bundles they name."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx

from tests.contract.operator.conftest import API, Server, problem, sha256_hex


async def upload(server: Server, data: bytes, **place: str) -> dict[str, Any]:
    """A bundle in the store."""
    bundle = {"sha256": sha256_hex(data), "size": len(data)}
    begun = (await server.operator.post(f"{API}/bundles", json=bundle | place)).json()
    async with httpx.AsyncClient(trust_env=False) as store:
        put = begun["upload"]
        assert (await store.put(put["url"], headers=put["headers"], content=data)).status_code == 200
    return bundle


async def test_a_bundle_is_uploaded_once_and_then_named_by_a_template(server: Server) -> None:
    bundle = await upload(server, uuid4().bytes)
    again = (await server.operator.post(f"{API}/bundles", json=bundle)).json()
    assert again == bundle | {"upload": None}
    applied = await server.template(bundle=bundle)
    assert (applied["version"], applied["created"]) == (1, True)


async def test_a_bundle_goes_to_the_workspace_it_is_for(server: Server) -> None:
    server.ops.admin.execute("insert into ops.workspaces (workspace) values ('lab')")
    server.ops.token("operator", "lab-operator", ["lab"])
    bundle = await upload(server, uuid4().bytes, workspace="lab")
    assert server.ops.value("select string_agg(workspace, ',') from ops.bundles") == "lab"
    found = server.ops.value("select object_key from ops.bundles")
    assert found.startswith("lab/sha256/")
    lab = server.client("lab-operator")
    spec = {"name": "job", "kind": "python", "entrypoint": "main:run", "params_schema": {"type": "object"}}
    applied = await lab.put(f"{API}/templates/job", json=spec | {"workspace": "lab", "bundle": bundle})
    assert applied.status_code == 200, applied.text
    elsewhere = bundle | {"workspace": "default"}
    problem(await lab.post(f"{API}/bundles", json=elsewhere), 403, "forbidden")
    problem(
        await server.operator.post(f"{API}/bundles", json=bundle | {"workspace": "moon"}), 404, "workspace_not_found"
    )


async def test_a_bundle_uploaded_at_home_serves_a_template_of_another_workspace(server: Server) -> None:
    server.ops.admin.execute("insert into ops.workspaces (workspace) values ('lab')")
    bundle = await upload(server, uuid4().bytes)
    assert (await server.template(workspace="lab", bundle=bundle))["created"] is True


async def test_the_store_refuses_other_bytes_than_announced(server: Server) -> None:
    data = uuid4().bytes
    body = {"sha256": sha256_hex(data), "size": len(data)}
    put = (await server.operator.post(f"{API}/bundles", json=body)).json()["upload"]
    async with httpx.AsyncClient(trust_env=False) as store:
        assert (await store.put(put["url"], headers=put["headers"], content=uuid4().bytes)).status_code >= 400
    assert (await server.operator.post(f"{API}/bundles", json=body)).json()["upload"] is not None


async def test_another_size_for_a_known_digest_is_refused(server: Server) -> None:
    bundle = await upload(server, uuid4().bytes)
    answer = await server.operator.post(f"{API}/bundles", json=bundle | {"size": bundle["size"] + 1})
    assert answer.status_code == 409


async def test_an_unchanged_spec_keeps_its_version_and_a_changed_one_gets_the_next(server: Server) -> None:
    first = await server.template()
    assert await server.template() == first | {"created": False}
    second = await server.template(description="changed")
    assert (second["version"], second["created"]) == (2, True)
    found = (await server.operator.get(f"{API}/templates/job")).json()
    assert (found["version"], found["versions"], found["description"]) == (2, [1, 2], "changed")
    old = (await server.operator.get(f"{API}/templates/job", params={"version": 1})).json()
    assert old["digest"] == first["digest"]


async def test_a_pipeline_needs_its_templates_to_be_there(server: Server) -> None:
    tasks = {"a": {"template": "chidl"}, "b": {"template": "child", "depends_on": ["a", "c"]}}
    await server.template("child")
    answer = await server.operator.put(f"{API}/templates/all", json={"name": "all", "kind": "pipeline", "tasks": tasks})
    found = problem(answer, 422, "invalid_request")
    messages = {error["path"]: error["message"] for error in found["errors"]}
    assert "did you mean 'child'" in messages["/tasks/a/template"]
    assert "unknown task 'c'" in messages["/tasks/b/depends_on/1"]
