"""OpenLineage events: valid by the published schemas, and saying what happened."""

from __future__ import annotations

from typing import Any

import pytest

from control_room.reactor.lineage_events import event_of
from tests.support.openlineage import breaches

Json = dict[str, Any]
RUN, PIPELINE = "01941f29-7c00-7000-8000-000000000001", "01941f29-7c00-7000-8000-000000000002"
ERROR = {"class": "user", "code": "bug", "message": "division by zero", "trace": "Traceback\n  1 / 0"}
LEDGER = [
    {
        **{"run_id": RUN, "epoch": 1, "layer": "watchdog", "cap": "wall_seconds", "limit": 5, "observed": 5.2},
        **{"overshoot": 0.2, "overshoot_ms": 200, "action": "killed", "at": "2026-01-01T00:00:05Z"},
    }
]
ENDED = {"usage": {"cpu_seconds": 2.5}, "caps": {"wall_seconds": 5}, "cost": None, "error": None, "reason": None}
TABLE = {"uri": "s3://lakehouse/silver/flights", "format": "delta", "version": 0}


def fact(event: str = "run.started", **more: Any) -> Json:
    base = {
        **{"run_id": RUN, "seq": 2, "type": event, "at": "2026-01-01T00:00:00.123456Z", "number": 7},
        **{"workspace": "default", "template_name": "clean", "template_version": 3, "template_digest": "d" * 64},
        **{"task_key": None, "kind": "python", "attempt": 1, "nominal_start": "2026-01-01T00:00:00Z"},
        **{"nominal_end": None, "bundle": {"sha256": "b" * 64, "size": 10}, "inputs": [], "sql": None},
        **{"pipeline": None, "executor": {"name": "one", "kind": "python", "version": "0.1.0", "versions": None}},
    }
    ended = event in ("run.succeeded", "run.failed", "run.cancelled", "run.skipped")
    return base | (ENDED | {"ledger": []} if ended else {}) | more


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (fact(), "START"),
        (fact(attempt=2), "RUNNING"),
        (fact(attempt=None, executor=None, kind="pipeline", bundle=None), "START"),
        (fact("run.publishing"), "RUNNING"),
        (fact("run.retry_scheduled", error=ERROR), "RUNNING"),
        (fact("run.succeeded", outputs=[]), "COMPLETE"),
        (fact("run.failed", error=ERROR, ledger=LEDGER, cost={"amount": 1.5, "currency": "EUR"}), "FAIL"),
        (fact("run.cancelled", reason="revoked"), "ABORT"),
        (fact("run.skipped", attempt=None, executor=None), "ABORT"),
    ],
    ids=["started", "again", "pipeline", "publishing", "retry", "succeeded", "failed", "cancelled", "skipped"],
)
def test_each_event_is_valid_by_the_published_schemas(given: Json, told: str) -> None:
    made = event_of(given, "here")
    assert made["event_type"] == made["body"]["eventType"] == told
    assert breaches(made["body"]) == []


def test_a_schema_that_is_broken_is_seen() -> None:
    body = event_of(fact(), "here")["body"]
    assert breaches(body | {"eventTime": "yesterday"})
    body["run"]["facets"]["nominalTime"]["nominalStartTime"] = 5
    assert breaches(body)


def test_a_task_has_its_pipeline_as_its_parent() -> None:
    pipeline = {"run_id": PIPELINE, "workspace": "default", "template_name": "nightly"}
    body = event_of(fact(pipeline=pipeline, task_key="clean"), "here")["body"]
    assert body["job"]["name"] == "default.nightly.clean"
    parent = body["run"]["facets"]["parent"]
    assert (parent["run"]["runId"], parent["job"]["name"]) == (PIPELINE, "default.nightly")
    assert breaches(body) == []


def test_inputs_and_outputs_are_named_with_their_versions_and_figures() -> None:
    schema = {"type": "struct", "fields": [{"name": "n", "type": "long"}, {"name": "tags", "type": {"type": "array"}}]}
    made = event_of(
        fact(
            "run.succeeded",
            inputs=[TABLE, {"uri": None, "version": None, "sha256": "c" * 64}],
            outputs=[
                TABLE | {"version": 4, "schema": schema, "rows": 10, "files": 1, "size": 99},
                {"uri": "iceberg://lakehouse/gold/mart", "format": "iceberg", "version": 2**62 + 1, "schema": None},
                {"sha256": "e" * 64, "name": "report.html", "size": 5},
            ],
        ),
        "here",
    )
    body = made["body"]
    assert breaches(body) == []
    assert [(d["namespace"], d["name"]) for d in body["inputs"]] == [
        ("s3://lakehouse", "silver/flights"),
        ("here", f"artifact/sha256/{'c' * 64}"),
    ]
    assert body["inputs"][0]["facets"]["version"]["datasetVersion"] == "0", "version 0 is a version"
    delta, iceberg, file = body["outputs"]
    assert delta["outputFacets"]["outputStatistics"].items() >= {"rowCount": 10, "size": 99, "fileCount": 1}.items()
    assert [(f["name"], f["type"]) for f in delta["facets"]["schema"]["fields"]] == [("n", "long"), ("tags", "array")]
    assert iceberg["facets"]["version"]["datasetVersion"] == str(2**62 + 1)
    assert file["outputFacets"]["outputStatistics"]["size"] == 5
    assert made["edges"] == [
        {"side": "input", "namespace": "s3://lakehouse", "name": "silver/flights", "version": "0"},
        {"side": "input", "namespace": "here", "name": f"artifact/sha256/{'c' * 64}", "version": ""},
        {"side": "output", "namespace": "s3://lakehouse", "name": "silver/flights", "version": "4"},
        {"side": "output", "namespace": "iceberg://lakehouse", "name": "gold/mart", "version": str(2**62 + 1)},
        {"side": "output", "namespace": "here", "name": f"artifact/sha256/{'e' * 64}", "version": ""},
    ]


def test_an_error_and_what_was_enforced_are_told() -> None:
    facets = event_of(fact("run.failed", error=ERROR, ledger=LEDGER), "here")["body"]["run"]["facets"]
    assert facets["errorMessage"]["message"] == "user/bug: division by zero"
    assert facets["errorMessage"]["stackTrace"] == ERROR["trace"]
    assert facets["controlRoom_limits"]["caps"] == {"wall_seconds": 5}
    assert facets["controlRoom_limits"]["enforced"][0]["overshoot_ms"] == 200


def test_sql_and_code_are_told_by_text_and_digest() -> None:
    facets = event_of(fact(sql="select 1"), "here")["body"]["job"]["facets"]
    assert facets["sql"]["query"] == "select 1"
    assert facets["sourceCodeLocation"]["url"] == f"urn:sha256:{'b' * 64}"
