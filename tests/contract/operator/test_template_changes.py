"""A template changes: what was accepted stays so, and no run is by a version that never checked it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from contract.errors import ContractError
from control_room.api.intake import ROUNDS, Intake
from control_room.api.models import SubmitRun
from control_room.api.submitter import Submitter
from ops_schema.store import MemberAnswer, PostgresStore, Principal
from tests.contract.operator.conftest import API, Server, problem, server_conninfo

Json = dict[str, Any]
NESTED = {"type": "object", "properties": {"deep": {"type": "object", "properties": {"d": {"default": 1}}}}}
WORD = {"type": "object", "properties": {"n": {"type": "string"}}}
NUMBER = {"type": "object", "properties": {"n": {"type": "integer"}}}
WIDER = {"type": "object", "properties": {"n": {"type": "integer"}, "m": {"type": "integer", "default": 7}}}
CHANGES: dict[str, tuple[Json, Json]] = {
    "a nested default": (NESTED, {"type": "object", "properties": {"deep": {"properties": {"d": {"default": 2}}}}}),
    "a required parameter": (NESTED, {**NESTED, "required": ["more"]}),
    "a parameter that went": (NESTED, {"type": "object", "properties": {"other": {}}}),
    "a type": (NESTED, {"type": "object", "properties": {"deep": {"type": "string"}}}),
}


@pytest.mark.parametrize(("before", "after"), CHANGES.values(), ids=CHANGES)
async def test_an_accepted_submit_sent_again_gets_its_run_whatever_the_template_became(
    server: Server, before: Json, after: Json
) -> None:
    await server.template(params_schema=before)
    bodies = [{"template": "job", "params": {"deep": {}}, "idempotency_key": f"k{n}"} for n in range(2)]
    first = await server.operator.post(f"{API}/runs", json=bodies[0])
    many = await server.operator.post(f"{API}/runs/bulk", json={"runs": bodies[1:]})
    await server.template(params_schema=after)
    again = await server.operator.post(f"{API}/runs", json=bodies[0])
    assert (first.status_code, again.status_code) == (201, 200), again.text
    assert again.json()["run_id"] == first.json()["run_id"]
    assert again.json()["params"] == {"deep": {"d": 1}}
    (item,) = (await server.operator.post(f"{API}/runs/bulk", json={"runs": bodies[1:]})).json()["items"]
    assert (item["repeated"], item["run_id"]) == (True, many.json()["items"][0]["run_id"])
    other = await server.operator.post(f"{API}/runs", json={**bodies[0], "priority": 5})
    assert other.status_code in (409, 422)
    assert server.ops.value("select count(*) from ops.runs") == 2


async def test_a_pipeline_on_record_is_found_when_a_task_s_template_changed(server: Server) -> None:
    await server.template(params_schema=NUMBER)
    tasks = {"a": {"template": "job", "params": {"n": 1}}}
    pipe = {"name": "pipe", "kind": "pipeline", "tasks": tasks}
    assert (await server.operator.put(f"{API}/templates/pipe", json=pipe)).status_code == 200
    body = {"template": "pipe", "idempotency_key": "p"}
    first = await server.operator.post(f"{API}/runs", json=body)
    await server.template(params_schema=WORD)
    again = await server.operator.post(f"{API}/runs", json=body)
    assert (again.status_code, again.json()["run_id"]) == (200, first.json()["run_id"])
    problem(await server.operator.post(f"{API}/runs", json={**body, "idempotency_key": "q"}), 422, "params_invalid")


async def test_what_the_server_checked_cannot_be_said_by_a_client(server: Server) -> None:
    await server.template(params_schema=NUMBER)
    body = {"template": "job", "checked": {"template_version": 1, "params": {"n": "x"}}}
    problem(await server.operator.post(f"{API}/runs", json=body), 422, "invalid_request")


class Changing(PostgresStore):
    """A store whose templates change just before a submit arrives."""

    change: Callable[[], None]
    times = 0

    async def submit_each(self, members: Any) -> list[MemberAnswer]:
        if self.times:
            self.times -= 1
            self.change()
        return await super().submit_each(members)

    async def submit_run(self, p: Principal, body: Any) -> Json:
        if self.times:
            self.times -= 1
            self.change()
        return await super().submit_run(p, body)


@pytest.fixture
def operator(tokens: Any) -> Principal:
    token_id = tokens.value("select token_id from ops.tokens where role = 'operator' limit 1")
    return Principal(token_id=uuid.UUID(str(token_id)), name="operator", role="operator", workspaces=None)


@pytest.mark.parametrize("more", [{"idempotency_key": "k"}, {"idempotency_key": "k", "dedupe_key": "d"}, {}])
async def test_no_run_is_by_a_version_that_never_checked_it(
    pg18: Any, tokens: Any, operator: Principal, more: Json
) -> None:
    versions = iter([NUMBER, WORD, NUMBER, WIDER])
    template = {"name": "job", "kind": "python", "entrypoint": "task:main"}

    def change() -> None:
        tokens.call("put_template", operator.token_id, "job", template | {"params_schema": next(versions)})

    change()
    async with Changing(server_conninfo(pg18)) as store:
        intake = Intake(store, Submitter(store), operator)
        store.change, store.times = change, 1
        body = SubmitRun.model_validate({"template": "job", "params": {"n": 1}, **more})
        if more:
            with pytest.raises(ContractError) as refused:
                await intake.submit(body)
            assert refused.value.code == "params_invalid"  # by the version that came meanwhile
            assert tokens.value("select count(*) from ops.runs") == 0
            change()
            store.times = 1
            run = await intake.submit(body)
            assert (run["template_version"], run["params"]) == (4, {"n": 1, "m": 7})
        else:  # pinned to the version that was checked
            assert (await intake.submit(body))["template_version"] == 1


async def test_a_bulk_is_checked_again_where_its_template_changed(pg18: Any, tokens: Any, operator: Principal) -> None:
    versions = iter([NUMBER, WORD])
    template = {"name": "job", "kind": "python", "entrypoint": "task:main"}

    def change() -> None:
        tokens.call("put_template", operator.token_id, "job", template | {"params_schema": next(versions)})

    change()
    async with Changing(server_conninfo(pg18)) as store:
        intake = Intake(store, Submitter(store), operator)
        store.change, store.times = change, 1
        bodies = [{"template": "job", "params": {"n": n}, "idempotency_key": f"k{n}"} for n in (1, 2)]
        pinned = {"template": "job", "template_version": 1, "params": {"n": 3}, "idempotency_key": "k3"}
        first, second, third = await intake.submit_each([*bodies, pinned])
        assert [getattr(one, "code", None) for one in (first, second)] == ["params_invalid"] * 2
        assert isinstance(third, dict)
        assert third["state"] == "queued"
        assert tokens.value("select array_agg(template_version) from ops.runs") == [1]


async def test_a_template_that_never_rests_is_told(pg18: Any, tokens: Any, operator: Principal) -> None:
    template = {"name": "job", "kind": "python", "entrypoint": "task:main", "params_schema": NUMBER}
    count = iter(range(100))

    def change() -> None:
        tokens.call("put_template", operator.token_id, "job", template | {"description": str(next(count))})

    change()
    async with Changing(server_conninfo(pg18)) as store:
        store.change, store.times = change, 2 * ROUNDS
        intake = Intake(store, Submitter(store), operator)
        body = {"template": "job", "params": {"n": 1}, "idempotency_key": "k"}
        with pytest.raises(ContractError) as told:
            await intake.submit(SubmitRun.model_validate(body))
        assert told.value.code == "template_changed"
        (item,) = await intake.submit_each([body])
        assert isinstance(item, ContractError)
        assert item.code == "template_changed"
        store.times = 1
        assert (await intake.submit(SubmitRun.model_validate(body)))["state"] == "queued"


# What a run reads, and what a retry by the newest version takes ------------------------------------------------------


async def cancelled(server: Server, **body: Any) -> Json:
    run = (await server.operator.post(f"{API}/runs", json={"template": "job", **body})).json()
    answer = await server.operator.post(f"{API}/runs/{run['run_id']}/cancel", json={"reason": "x"})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_a_retry_by_the_newest_version_is_checked_by_it(server: Server) -> None:
    await server.template(params_schema=NUMBER)
    run = await cancelled(server, params={"n": 1})
    again = {"template": "latest", "idempotency_key": "r"}
    await server.template(params_schema=WORD)
    problem(await server.operator.post(f"{API}/runs/{run['number']}/retry", json=again), 422, "params_invalid")
    await server.template(params_schema=WIDER)
    made = await server.operator.post(f"{API}/runs/{run['number']}/retry", json=again)
    assert (made.status_code, made.json()["template_version"]) == (201, 3), made.text
    assert made.json()["params"] == {"n": 1, "m": 7}, "the newest version's defaults"
    await server.template(params_schema=WORD)
    repeated = await server.operator.post(f"{API}/runs/{run['number']}/retry", json=again)
    assert (repeated.status_code, repeated.json()["run_id"]) == (200, made.json()["run_id"])


async def test_a_pipeline_s_retry_checks_the_tasks_that_it_runs_again(server: Server) -> None:
    await server.template(params_schema=NUMBER)
    tasks = {"a": {"template": "job", "params": {"n": 1}}}
    pipe = {"name": "pipe", "kind": "pipeline", "tasks": tasks}
    assert (await server.operator.put(f"{API}/templates/pipe", json=pipe)).status_code == 200
    run = await cancelled(server, template="pipe")
    await server.template(params_schema=WORD)
    path = f"{API}/runs/{run['number']}/retry"
    told = problem(await server.operator.post(path, json={"template": "latest"}), 422, "params_invalid")
    assert told["errors"][0]["path"] == "/tasks/a/params/n"
    assert (await server.operator.post(path, json={})).status_code == 201, "by the versions that it had"


async def test_a_pipeline_s_tasks_are_of_the_versions_that_were_checked(
    pg18: Any, tokens: Any, operator: Principal
) -> None:
    versions = iter([NUMBER, WORD])
    template = {"name": "job", "kind": "python", "entrypoint": "task:main"}

    def change() -> None:
        tokens.call("put_template", operator.token_id, "job", template | {"params_schema": next(versions)})

    change()
    tasks = {"a": {"template": "job", "params": {"n": 1}}}
    tokens.call("put_template", operator.token_id, "pipe", {"name": "pipe", "kind": "pipeline", "tasks": tasks})
    async with Changing(server_conninfo(pg18)) as store:
        store.change, store.times = change, 1
        await Intake(store, Submitter(store), operator).submit(SubmitRun(template="pipe", idempotency_key="k"))
    found = tokens.value("select array_agg(template_version) from ops.runs where task_key = 'a'")
    assert found == [1]


async def test_a_run_is_refused_when_nobody_gives_what_it_reads(server: Server) -> None:
    await server.template(inputs=[{"name": "trips", "kind": "table"}, {"name": "zones", "kind": "table"}])
    told = problem(await server.operator.post(f"{API}/runs", json={"template": "job"}), 422, "dependency_invalid")
    assert "trips, zones" in told["detail"]
    (item,) = (await server.operator.post(f"{API}/runs/bulk", json={"runs": [{"template": "job"}]})).json()["items"]
    assert item["problem"]["code"] == "dependency_invalid"
    assert server.ops.value("select count(*) from ops.runs") == 0


async def test_a_retry_by_a_version_that_reads_more_is_refused(server: Server) -> None:
    await server.template()
    run = await cancelled(server)
    await server.template(inputs=[{"name": "trips", "kind": "table"}])
    path = f"{API}/runs/{run['number']}/retry"
    problem(await server.operator.post(path, json={"template": "latest"}), 422, "dependency_invalid")
    assert (await server.operator.post(path, json={})).status_code == 201


async def test_a_pipeline_whose_task_came_to_read_more_is_refused(server: Server) -> None:
    await server.template()
    pipe = {"name": "pipe", "kind": "pipeline", "tasks": {"a": {"template": "job"}}}
    assert (await server.operator.put(f"{API}/templates/pipe", json=pipe)).status_code == 200
    await server.template(inputs=[{"name": "trips", "kind": "table"}])
    told = problem(await server.operator.post(f"{API}/runs", json={"template": "pipe"}), 422, "params_invalid")
    assert told["errors"][0]["path"] == "/tasks/a/inputs"


async def test_a_version_is_looked_for_in_the_workspace_that_the_submit_names(server: Server, tokens: Any) -> None:
    operator = tokens.value("select token_id from ops.tokens where role = 'operator' limit 1")
    tokens.call("put_workspace", operator, {"workspace": "team"})
    template = {"name": "job", "kind": "python", "entrypoint": "task:main"}
    for version in (1, 2):
        tokens.call("put_template", operator, "job", template | {"workspace": "team", "description": str(version)})
    await server.template()
    body = {"template": "job", "template_version": 1, "workspace": "team"}
    made = await server.operator.post(f"{API}/runs", json=body)
    assert (made.status_code, made.json()["workspace"], made.json()["template_version"]) == (201, "team", 1), made.text
