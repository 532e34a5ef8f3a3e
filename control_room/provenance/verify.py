"""Verifies a run, step by step, from any source of its records and bytes: a server, or an archive without one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from control_room.provenance.check_bytes import check_bytes
from control_room.provenance.check_events import Chain, check_events
from control_room.provenance.check_manifest import check_manifest, check_signature, read
from control_room.provenance.findings import Finding, Told

Json = dict[str, Any]


class Source(Protocol):
    """Where the records and bytes of runs are had. Raises what it raises when it cannot be reached at all."""

    def record(self, ref: str) -> Json:
        """{run_id, number, state, manifest_root, manifest, on_record}, as the API's RunManifest."""

    def keys(self) -> Sequence[Mapping[str, Any]]:
        """The public keys, as the API's SigningKey."""

    def chain(self, run_id: str) -> Chain:
        """The events as stored."""

    def artifact(self, artifact: Mapping[str, Any]) -> Iterator[bytes]:
        """The bytes of an artifact of a manifest. MissingBytesError, UnreadableBytesError."""

    def table(self, run: str, artifact: Mapping[str, Any]) -> Finding:
        """What can be said of an artifact that is a version of a table."""

    def publication(self, run: str, publication: Mapping[str, Any]) -> Iterator[Finding]:
        """What can be said of data that the manifest says to be published."""


def verify(source: Source, ref: str, trusted: Sequence[str] = ()) -> Iterator[Finding]:
    """Every finding about a run, and about the tasks of a pipeline. trusted: see check_signature."""
    record = source.record(ref)
    yield from _run(source, record, trusted)
    manifest = read(record["manifest"]["text"]) if record["manifest"] else None
    for task in manifest["tasks"] if manifest else ():
        child = source.record(task["run_id"])
        yield from _root_of_task(name_of(record), task, child)
        yield from _run(source, child, trusted)


def name_of(record: Mapping[str, Any]) -> str:
    """How a run is called in findings."""
    return str(record["number"])


def _run(source: Source, record: Mapping[str, Any], trusted: Sequence[str]) -> Iterator[Finding]:
    run, run_id, kept = name_of(record), record["run_id"], record["manifest"]
    if kept is None:
        yield _without(run, record)
        yield from check_events(run, run_id, source.chain(run_id), None)
        return
    yield from check_manifest(run, record)
    yield from check_signature(run, kept, source.keys(), trusted)
    manifest = read(kept["text"])
    yield from check_events(run, run_id, source.chain(run_id), manifest["events"] if manifest else None)
    if manifest:
        yield from _artifacts(source, run, manifest)
        for publication in manifest["publications"]:
            yield from source.publication(run, publication)


def _without(run: str, record: Mapping[str, Any]) -> Finding:
    told = Told(run, "manifest")
    if record["manifest_root"] is not None:
        return told.bad("manifest", f"the run holds the root {record['manifest_root']}, but its manifest is gone")
    if record["on_record"] is None:
        return told.unknown("manifest", f"the run is {record['state']}; a manifest is made when it has ended")
    return told.unknown("manifest", "there is none yet: the reactor makes it within seconds of the run's end")


def _artifacts(source: Source, run: str, manifest: Json) -> Iterator[Finding]:
    told = Told(run, "artifacts")
    for artifact in manifest["artifacts"]:
        if artifact["sha256"]:
            yield check_bytes(told, artifact["name"], artifact, lambda one=artifact: source.artifact(one))  # type: ignore[misc]
        else:
            yield source.table(run, artifact)


def _root_of_task(run: str, task: Mapping[str, Any], child: Mapping[str, Any]) -> Iterator[Finding]:
    told, wanted = Told(run, "manifest"), task["manifest_root"]
    found = child["manifest"]["root"] if child["manifest"] else None
    if found == wanted:
        yield told.good(f"task {task['task_key']}", f"its manifest has the root {wanted}")
    else:
        text = f"its manifest has the root {found}, the pipeline's says {wanted}: the task's manifest was changed"
        yield told.bad(f"task {task['task_key']}", text)
