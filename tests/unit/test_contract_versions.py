"""Which contract versions there are, what 1.0 promised, and how a deprecation is written and read."""

from __future__ import annotations

import json
import logging
import re
from datetime import UTC, date, datetime
from itertools import zip_longest
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from contract.client import NO_RETRY, SPOKEN, AsyncExecutorClient, ExecutorClient
from contract.deprecation import Deprecation, of_days, of_version, told
from contract.errors import Conflict, InternalError, NotFound
from contract.models import ClaimRequest, ExchangeRequest, HeartbeatRequest
from contract.server.deprecations import marked
from contract.versions import BY_NAME, NEWEST, OLDEST, VERSIONS, choose, order
from tests.contract.document import METHODS, document, operations, resolve

# What an operation of the newest document can answer that its older document did not say: contract/adr/0006.
ADDED_CODES = {("appendLogs", 409, "log_conflict"), ("recordArtifact", 503, "artifact_verifying")}
# Optional members of requests that came later.
ADDED_MEMBERS = {
    "heartbeat": {"metrics", "trouble"},
    "beginArtifact": {"resume", "preview"},
    "reportAttempt": {"metrics", "timings"},
    "commitPublication": {"location"},
}
# Members of answers that an older document does not have: contract/adr/0006.
ADDED_ANSWERS = {
    *("cpu_seconds", "scanned_bytes", "written_bytes", "rows_out", "recorded_at"),
    *("queue_seconds", "artifact_count", "cost", "cap_rules", "multipart", "verify_ms"),
}
# Words that came later, of runs that only executors get whose capabilities name them, and what those send.
ADDED_WORDS = {"iceberg", "object", "create"}
# Whole numbers of requests that reach further since.
WIDER = 2**63 - 1
WORDS_ONLY = frozenset({"description", "summary", "example", "examples", "title", "operationId", "tags"})
EXECUTOR = "0197a3c4-6000-7000-8000-000000000001"
RUN = "0197a3c4-7000-7000-8000-000000000042"
DEPRECATED = {"deprecation": "@1795219200", "link": '</executor/v1/openapi.yaml>; rel="deprecation"'}


def test_each_version_has_the_document_of_its_name_and_they_are_in_order() -> None:
    assert [document(version.document)["info"]["version"] for version in VERSIONS] == list(BY_NAME)
    assert sorted(BY_NAME, key=order) == list(BY_NAME)
    assert (SPOKEN.min, SPOKEN.max) == (OLDEST, NEWEST)


def test_the_sql_setting_names_the_same_versions() -> None:
    text = (Path(__file__).parents[2] / "ops_schema/sql/tables/110_edge.sql").read_text("utf-8")
    (found,) = re.findall(r"\('contract_versions', '(.*?)'\)", text)
    assert json.loads(found) == list(BY_NAME)


def test_the_document_tells_which_versions_are_deprecated() -> None:
    rows = re.findall(r"\| ([0-9.]+) \| ?([0-9-]*) ?\|", document()["info"]["description"])
    assert dict(rows) == {v.name: str(v.deprecated_since or "") for v in VERSIONS}


def test_versions_are_compared_as_numbers() -> None:
    assert choose("1.0", "1.20", ("1.9", "1.10", "2.0")) == "1.10"


# What 1.0 promised ----------------------------------------------------------------------------------------------------


def promised(value: Any, source: Path, seen: tuple[str, ...] = (), words: frozenset[str] = WORDS_ONLY) -> Any:
    """A part of a document with its references followed and its words for people left out.

    words: what is left out; nothing among the properties of an object, where they are names like any other.
    """
    if isinstance(value, dict) and "$ref" in value:
        ref = value["$ref"]
        return {"again": ref} if ref in seen else promised(resolve(value, source), source, (*seen, ref))
    if isinstance(value, dict):
        return {
            name: promised(member, source, seen, frozenset() if name == "properties" else WORDS_ONLY)
            for name, member in value.items()
            if name not in words
        }
    return [promised(member, source, seen) for member in value] if isinstance(value, list) else value


def raw(source: Path) -> dict[str, Any]:
    return {
        item[method]["operationId"]: item[method] | {"path": path, "shared": item.get("parameters", [])}
        for path, item in document(source)["paths"].items()
        for method in METHODS
        if method in item
    }


def narrowed(found: Any, due: Any, added: set[str]) -> Any:
    """What is promised now of an object that requests hold, without optional members that were not promised then."""
    if isinstance(found, list) and isinstance(due, list):
        return [narrowed(one, other, added) for one, other in zip_longest(found, due)]
    if not isinstance(found, dict) or not isinstance(due, dict):
        return found
    if isinstance(found.get("properties"), dict) and isinstance(due.get("properties"), dict):
        new = found["properties"].keys() - due["properties"].keys() - set(found.get("required", ()))
        added |= new
        found = found | {"properties": {n: m for n, m in found["properties"].items() if n not in new}}
    return {name: narrowed(member, due.get(name), added) for name, member in found.items()}


def in_old_words(found: Any, due: Any, *, answer: bool) -> Any:
    """What is promised now, without the words, reaches and members of answers that were not promised then.

    A request may be taken that was not; an answer may say in advance which words it uses.
    """
    if isinstance(found, list) and isinstance(due, list):
        return [in_old_words(one, other, answer=answer) for one, other in zip_longest(found, due)]
    if not isinstance(found, dict) or not isinstance(due, dict):
        return found
    if answer and isinstance(found.get("properties"), dict):
        new = ADDED_ANSWERS - due.get("properties", {}).keys()
        found = found | {"properties": {n: member for n, member in found["properties"].items() if n not in new}}
    kept = {name: in_old_words(member, due.get(name), answer=answer) for name, member in found.items()}
    if "enum" in found:
        before = due.get("enum", [due["const"]] if "const" in due else [])
        words = [word for word in found["enum"] if word in before or word not in ADDED_WORDS]
        del kept["enum"]
        if "const" in due and len(words) == 1:
            kept["const"] = words[0]
        elif "enum" in due or not answer:
            kept["enum"] = words
    if not answer and found.get("maximum") == WIDER:
        kept["maximum"] = due.get("maximum")
    return kept


@pytest.mark.parametrize("old", [version for version in VERSIONS if version.name != NEWEST], ids=lambda v: v.name)
def test_what_an_older_version_takes_and_answers_is_taken_and_answered_the_same_way_now(old: Any) -> None:
    now, before = BY_NAME[NEWEST].document, old.document
    newer, older = raw(now), raw(before)
    assert older.keys() <= newer.keys()
    for name, operation in older.items():
        added: set[str] = set()
        for part in ("path", "shared", "requestBody"):
            due = promised(operation.get(part), before)
            found = in_old_words(narrowed(promised(newer[name].get(part), now), due, added), due, answer=False)
            assert found == due, (name, part)
        assert added == ADDED_MEMBERS.get(name, set())
        for status, response in operation["responses"].items():
            due = promised(response, before)
            found = in_old_words(promised(newer[name]["responses"][status], now), due, answer=True)
            assert due.get("content") == found.get("content"), (name, status)
            assert due.get("headers", {}).items() <= found.get("headers", {}).items(), (name, status)


@pytest.mark.parametrize("old", [version for version in VERSIONS if version.name != NEWEST], ids=lambda v: v.name)
def test_an_older_version_meets_no_error_code_but_those_on_record(old: Any) -> None:
    before, now = operations(old.document), operations()
    added = {(name, *code) for name, operation in before.items() for code in now[name].codes - operation.codes}
    assert added == ADDED_CODES
    assert all(operation.codes <= now[name].codes for name, operation in before.items())


# Deprecation headers --------------------------------------------------------------------------------------------------


def test_a_deprecated_version_is_announced_by_the_headers_of_its_rfcs() -> None:
    assert of_days(date(2026, 11, 21), date(2027, 11, 1)).headers() == {
        "deprecation": "@1795219200",
        "sunset": "Mon, 01 Nov 2027 00:00:00 GMT",
        "link": '</executor/v1/openapi.yaml>; rel="deprecation"; type="application/yaml"',
    }
    found = of_version("1.0")
    assert found is not None
    assert found.headers().keys() == {"deprecation", "link"}
    assert of_version(NEWEST) is None
    assert of_version("7.7") is None


def test_a_sunset_before_the_deprecation_is_refused() -> None:
    with pytest.raises(ValueError, match="is earlier than"):
        of_days(date(2026, 11, 21), date(2026, 11, 20))


def test_what_the_headers_say_is_read_back() -> None:
    said = of_days(date(2026, 11, 21), date(2027, 11, 1))
    assert told(httpx.Headers(said.headers())) == said
    assert (
        str(said)
        == "deprecated since 2026-11-21, may stop to work on 2027-11-01; what to do: /executor/v1/openapi.yaml"
    )
    assert str(of_days(date(2026, 11, 21))).startswith("deprecated since 2026-11-21, no end is set yet; ")


@pytest.mark.parametrize(
    ("headers", "due"),
    [
        ({}, None),
        ({"sunset": "Mon, 01 Nov 2027 00:00:00 GMT"}, None),
        ({"deprecation": "true"}, Deprecation(None)),
        ({"deprecation": "@1e9"}, Deprecation(None)),
        ({"deprecation": "@99999999999999"}, Deprecation(None)),
        ({"deprecation": "@999999999999"}, Deprecation(None)),
        ({"deprecation": "@0"}, Deprecation(datetime(1970, 1, 1, tzinfo=UTC))),
        (
            {"deprecation": "@1;a=b", "sunset": "soon", "link": "<x"},
            Deprecation(datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)),
        ),
    ],
)
def test_headers_that_cannot_be_read_are_never_an_error(headers: dict[str, str], due: Deprecation | None) -> None:
    assert told(headers) == due


def test_the_link_is_found_among_others() -> None:
    value = '<a>; rel="next", <https://control-room.test/x,y>; type="text/html"; rel=deprecation, <c>; rel="sunset"'
    found = told({"deprecation": "@1", "link": value})
    assert found is not None
    assert found.link == "https://control-room.test/x,y"


def test_an_operation_marked_deprecated_must_say_since_when() -> None:
    paths = {"/runs/{run_id}/logs": {"post": {"operationId": "appendLogs", "deprecated": True}}}
    with pytest.raises(ValueError, match="appendLogs is deprecated: say since when"):
        list(marked({"paths": paths}))


def test_a_document_marks_operations_by_day() -> None:
    text = """
    paths:
      /runs/{run_id}/logs:
        parameters: []
        post: {operationId: appendLogs, deprecated: true, x-deprecated-since: 2027-01-01, x-sunset: "2028-01-01"}
        get: {operationId: readLogs}
    """
    ((method, path, said),) = marked(yaml.safe_load(text))
    assert method == "POST"
    assert path.fullmatch(f"/executor/v1/runs/{RUN}/logs")
    assert not path.fullmatch(f"/executor/v1/runs/{RUN}/x/logs")
    assert said == of_days(date(2027, 1, 1), date(2028, 1, 1))


# The client -----------------------------------------------------------------------------------------------------------


def answering(status: int, body: Any, **headers: str) -> httpx.MockTransport:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.MockTransport(lambda _: httpx.Response(status, json=body, headers=named))


BEAT = {"directive": "continue", "heartbeat_seconds": 5, "server_time": "2026-11-21T12:00:00+00:00", "runs": []}
QUIET = HeartbeatRequest(state="active", runs=[])
NOTHING = ExchangeRequest(request_id=RUN, reports=[], max_runs=0)


def test_the_client_warns_once_of_each_deprecated_operation(caplog: pytest.LogCaptureFixture) -> None:
    transport = answering(200, BEAT, **DEPRECATED)
    with (
        caplog.at_level(logging.WARNING, "contract.client"),
        ExecutorClient("http://control-room.test", "token", transport=transport) as client,
    ):
        for _ in range(3):
            client.heartbeat(EXECUTOR, QUIET)
    (record,) = caplog.records
    assert "operation=heartbeat" in record.getMessage()
    assert "deprecated since 2026-11-21" in record.getMessage()


async def test_the_async_client_warns_too_also_of_what_is_refused() -> None:
    noticed: list[str] = []
    transport = answering(404, {"code": "executor_not_found", "detail": "no"}, **DEPRECATED)
    client = AsyncExecutorClient(
        "http://control-room.test", "token", transport=transport, on_deprecated=lambda name, _: noticed.append(name)
    )
    for _ in range(2):
        with pytest.raises(NotFound):
            await client.heartbeat(EXECUTOR, QUIET)
    await client.aclose()
    assert noticed == ["heartbeat"]


def test_without_the_header_nothing_is_said(caplog: pytest.LogCaptureFixture) -> None:
    with ExecutorClient("http://control-room.test", "token", transport=answering(200, BEAT)) as client:
        client.heartbeat(EXECUTOR, QUIET)
    assert caplog.records == []


@pytest.mark.parametrize("status", [404, 405])
def test_an_operation_that_an_older_server_lacks_is_named_as_such(status: int) -> None:
    transport = answering(status, {"code": "not_found", "detail": "no such path"}, contract_version="1.0")
    with (
        ExecutorClient("http://control-room.test", "token", transport=transport, retry=NO_RETRY) as client,
        pytest.raises(Conflict) as caught,
    ):
        client.exchange(EXECUTOR, NOTHING)
    assert caught.value.code == "contract_version_unsupported"
    assert str(caught.value) == (
        "contract_version_unsupported: exchange came with contract 1.1; the control room speaks 1.0 "
        "(upgrade the control room, or use the operations of 1.0)"
    )


def test_what_is_not_there_on_a_server_of_this_version_stays_not_found() -> None:
    transport = answering(404, {"code": "executor_not_found", "detail": "no"}, contract_version="1.1")
    with (
        ExecutorClient("http://control-room.test", "token", transport=transport) as client,
        pytest.raises(NotFound) as caught,
    ):
        client.exchange(EXECUTOR, NOTHING)
    assert caught.value.code == "executor_not_found"


def test_words_and_members_of_a_newer_server_are_taken_for_what_changes_least() -> None:
    run = {"run_id": RUN, "epoch": 1, "directive": "rebalance", "lease_deadline": None, "reason": None}
    body = BEAT | {"directive": "migrate", "runs": [run | {"grace_seconds": None, "caps": None, "to": "x"}], "mood": 1}
    with ExecutorClient("http://control-room.test", "token", transport=answering(200, body)) as client:
        answer = client.heartbeat(EXECUTOR, QUIET)
    assert (answer.directive, answer.runs[0].directive) == ("continue", "continue")


def test_an_answer_that_is_wrong_otherwise_stays_an_error_that_says_where() -> None:
    body = BEAT | {"directive": "migrate", "heartbeat_seconds": "soon"}
    with (
        ExecutorClient("http://control-room.test", "token", transport=answering(200, body)) as client,
        pytest.raises(InternalError, match="heartbeat: the answer breaks the contract at"),
    ):
        client.heartbeat(EXECUTOR, QUIET)


def test_a_claim_of_a_newer_server_is_read_carefully() -> None:
    digest = "0" * 64
    run = {
        **{"run_id": RUN, "number": 1, "epoch": 1, "attempt": 1, "max_attempts": 3, "kind": "python"},
        **{"workspace": "default", "template_name": "t", "template_version": 1, "template_digest": digest},
        **{"entrypoint": None, "config": {}, "params": {}, "inputs": [], "outputs": [], "bundle": None},
        **{"connections": [], "caps": {"gpu_seconds": 1}, "lease_seconds": 30, "lease_deadline": BEAT["server_time"]},
        **{"on_lapse": "ask", "rerun": "idempotent", "labels": {}, "traceparent": None, "pipeline_run_id": None},
        **{"task_key": None, "submitted_by": None, "accelerator": {"kind": "gpu"}},
    }
    body = {"runs": [run], "server_time": BEAT["server_time"]}
    with ExecutorClient("http://control-room.test", "token", transport=answering(200, body)) as client:
        (found,) = client.claim_runs(EXECUTOR, ClaimRequest(request_id=RUN, max_runs=1)).runs
    assert (found.on_lapse, found.rerun) == ("stop", "unsafe")
