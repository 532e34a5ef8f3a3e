"""OpenLineage events of what happened to runs. Pure: a fact of ops.lineage_facts in, an event and its edges out.

Specification: https://openlineage.io/docs/spec. A run is an OpenLineage run with the same id; its job is its template
in its workspace, of a task its key besides; a pipeline is the parent of its tasks. START is the first attempt's start;
RUNNING tells of a further attempt, of one that failed and is tried again, of publications; COMPLETE names what is left.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import attr
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.generated.base import OutputDatasetFacet, RunFacet
from openlineage.client.generated.dataset_version_dataset import DatasetVersionDatasetFacet
from openlineage.client.generated.error_message_run import ErrorMessageRunFacet
from openlineage.client.generated.job_type_job import JobTypeJobFacet
from openlineage.client.generated.nominal_time_run import NominalTimeRunFacet
from openlineage.client.generated.output_statistics_output_dataset import OutputStatisticsOutputDatasetFacet
from openlineage.client.generated.parent_run import Job as ParentJob
from openlineage.client.generated.parent_run import ParentRunFacet
from openlineage.client.generated.parent_run import Run as ParentRun
from openlineage.client.generated.processing_engine_run import ProcessingEngineRunFacet
from openlineage.client.generated.schema_dataset import SchemaDatasetFacet, SchemaDatasetFacetFields
from openlineage.client.generated.source_code_location_job import SourceCodeLocationJobFacet
from openlineage.client.generated.sql_job import SQLJobFacet
from openlineage.client.serde import Serde

PRODUCER = "https://github.com/lakehouse-control-room/lakehouse-control-room"
LIMITS_SCHEMA = f"{PRODUCER}/spec/schemas/ControlRoomLimitsRunFacet.json#/$defs/ControlRoomLimitsRunFacet"
INTEGRATION = "LAKEHOUSE_CONTROL_ROOM"
ENDS = {"run.succeeded": "COMPLETE", "run.failed": "FAIL", "run.cancelled": "ABORT", "run.skipped": "ABORT"}
MESSAGE_CHARACTERS = 10_000

Json = dict[str, Any]
Fact = Mapping[str, Any]


@attr.define
class ControlRoomLimitsRunFacet(RunFacet):
    """Ours: the caps in force, what was used and what it cost, and which caps were enforced."""

    caps: Json
    usage: Json
    cost: Json | None
    enforced: list[Json]

    @staticmethod
    def _get_schema() -> str:
        return LIMITS_SCHEMA


def event_of(fact: Fact, namespace: str) -> Json:
    """{run_id, seq, event_type, body, edges} for ops.record_lineage. namespace: of jobs, and of files of ours."""
    kind, inputs, outputs = event_type(fact), list(inputs_of(fact, namespace)), list(outputs_of(fact, namespace))
    event = RunEvent(
        eventType=RunState[kind],
        eventTime=fact["at"],
        producer=PRODUCER,
        run=Run(runId=fact["run_id"], facets=dict(run_facets(fact, namespace))),
        job=Job(namespace=namespace, name=job_name(fact), facets=dict(job_facets(fact))),
        inputs=inputs,
        outputs=outputs,
    )
    edges = [edge("input", dataset) for dataset in inputs] + [edge("output", dataset) for dataset in outputs]
    body: Json = Serde.to_dict(event)
    return {"run_id": fact["run_id"], "seq": fact["seq"], "event_type": kind, "body": body, "edges": edges}


def event_type(fact: Fact) -> str:
    """START of the first attempt alone, or of a pipeline."""
    if fact["type"] == "run.started":
        return "START" if (fact["attempt"] or 1) == 1 else "RUNNING"
    return ENDS.get(fact["type"], "RUNNING")


def job_name(run: Fact) -> str:
    """workspace.template, of a task with its pipeline and key: workspace.pipeline.key."""
    pipeline = run.get("pipeline")
    words = (run["workspace"], pipeline["template_name"], run["task_key"]) if pipeline else (
        run["workspace"], run["template_name"],
    )  # fmt: skip
    return ".".join(words)


def run_facets(fact: Fact, namespace: str) -> Iterator[tuple[str, RunFacet]]:
    yield "nominalTime", NominalTimeRunFacet(fact["nominal_start"], fact["nominal_end"], producer=PRODUCER)
    if pipeline := fact["pipeline"]:
        parent = ParentJob(namespace=namespace, name=job_name(pipeline))
        yield "parent", ParentRunFacet(ParentRun(runId=pipeline["run_id"]), parent, producer=PRODUCER)
    if executor := fact["executor"]:
        versions = executor.get("versions") or {}
        engine = str(versions.get(executor["kind"]) or executor["version"])
        yield "processing_engine", ProcessingEngineRunFacet(engine, executor["kind"], producer=PRODUCER)
    if (error := fact.get("error")) and fact["type"] != "run.succeeded":
        text = f"{error.get('class')}/{error.get('code')}: {error.get('message')}"[:MESSAGE_CHARACTERS]
        trace = str(error["trace"])[-MESSAGE_CHARACTERS:] if error.get("trace") else None
        yield "errorMessage", ErrorMessageRunFacet(text, fact["kind"], trace, producer=PRODUCER)
    if "usage" in fact:
        enforced = [
            {name: entry[name] for name in ("layer", "cap", "limit", "observed", "overshoot", "overshoot_ms", "action")}
            for entry in fact["ledger"]
        ]
        yield (
            "controlRoom_limits",
            ControlRoomLimitsRunFacet(fact["caps"], fact["usage"], fact["cost"], enforced, producer=PRODUCER),
        )


def job_facets(fact: Fact) -> Iterator[tuple[str, Any]]:
    yield "jobType", JobTypeJobFacet("BATCH", INTEGRATION, fact["kind"].upper(), producer=PRODUCER)
    version = f"{fact['template_version']}, sha256 {fact['template_digest']}"
    if bundle := fact["bundle"]:
        url = f"urn:sha256:{bundle['sha256']}"
        yield "sourceCodeLocation", SourceCodeLocationJobFacet("bundle", url, version=version, producer=PRODUCER)
    if isinstance(fact.get("sql"), str):
        yield "sql", SQLJobFacet(fact["sql"][:MESSAGE_CHARACTERS], producer=PRODUCER)


def inputs_of(fact: Fact, namespace: str) -> Iterator[InputDataset]:
    for given in fact["inputs"]:
        space, name = dataset_name(given, namespace)
        yield InputDataset(namespace=space, name=name, facets=dict(version_facet(given)))


def outputs_of(fact: Fact, namespace: str) -> Iterator[OutputDataset]:
    for made in fact.get("outputs", ()):
        space, name = dataset_name(made, namespace)
        facets = dict(version_facet(made))
        if fields := schema_fields(made.get("schema")):
            facets["schema"] = SchemaDatasetFacet(fields=fields, producer=PRODUCER)
        figures = {"rowCount": made.get("rows"), "size": made.get("size"), "fileCount": made.get("files")}
        known = {key: int(value) for key, value in figures.items() if value is not None}
        statistics = OutputStatisticsOutputDatasetFacet(**known, producer=PRODUCER)
        told: dict[str, OutputDatasetFacet] = {"outputStatistics": statistics} if known else {}
        yield OutputDataset(namespace=space, name=name, facets=facets, outputFacets=told)


def dataset_name(data: Fact, namespace: str) -> tuple[str, str]:
    """(namespace, name): of an address its scheme and authority, and the path; of our files their digest."""
    if not data.get("uri"):
        return namespace, f"artifact/sha256/{data['sha256']}"
    parts = urlsplit(data["uri"])
    return f"{parts.scheme}://{parts.netloc}", parts.path.strip("/") or "/"


def version_facet(data: Fact) -> Iterator[tuple[str, Any]]:
    version = version_of(data)
    if version:
        yield "version", DatasetVersionDatasetFacet(version, producer=PRODUCER)


def version_of(data: Fact) -> str:
    """Of a table its version or snapshot, of an object its digest; "" when nothing is on record."""
    if data.get("version") is not None:
        return str(data["version"])
    return f"sha256:{data['sha256']}" if data.get("uri") and data.get("sha256") else ""


def schema_fields(schema: Any) -> list[SchemaDatasetFacetFields]:
    """Columns of a schema as publications have it ({fields: [{name, type}]}); [] when it is none."""
    fields = schema.get("fields") if isinstance(schema, Mapping) else None
    return [
        SchemaDatasetFacetFields(name=str(field["name"]), type=type_text(field.get("type")), ordinal_position=place)
        for place, field in enumerate(fields or (), 1)
        if isinstance(field, Mapping) and "name" in field
    ]


def type_text(kind: Any) -> str | None:
    """A column's type; of a nested one its kind."""
    if isinstance(kind, Mapping):
        kind = kind.get("type")
    return None if kind is None else str(kind)


def edge(side: str, dataset: InputDataset | OutputDataset) -> Json:
    version = getattr((dataset.facets or {}).get("version"), "datasetVersion", "")
    return {"side": side, "namespace": dataset.namespace, "name": dataset.name, "version": version}
