"""The in-toto Statement v1 with SLSA provenance v1 that says how a run made its outputs; what is signed.

Subjects are the manifest itself, each artifact with bytes, and each committed publication: an object by its bytes, a
table by the dirHash of the files that were added (sha256sum lines by path), its version among the annotations. Other
tools read this form; all it says is in the manifest, whose digest and root it carries.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "urn:control-room:build:run:1"
BUILDER = "urn:control-room:deployment"
MANIFEST = "manifest.json"
Json = dict[str, Any]


def statement(manifest: Mapping[str, Any], sha256: str, root: str, made_at: str) -> Json:
    """The Statement. sha256, root: of the manifest, hex; made_at: ISO 8601."""
    return {
        "_type": STATEMENT,
        "subject": [_manifest(sha256, root), *_artifacts(manifest), *_publications(manifest)],
        "predicateType": PREDICATE,
        "predicate": {"buildDefinition": _definition(manifest), "runDetails": _details(manifest, made_at)},
    }


def _manifest(sha256: str, root: str) -> Json:
    return {"name": MANIFEST, "digest": {"sha256": sha256}, "annotations": {"merkleRoot": root}}


def _artifacts(manifest: Mapping[str, Any]) -> Iterator[Json]:
    for each in manifest["artifacts"]:
        if each["sha256"]:
            yield {"name": f"artifacts/{each['epoch']}/{each['name']}", "digest": {"sha256": each["sha256"]}}


def _publications(manifest: Mapping[str, Any]) -> Iterator[Json]:
    for each in manifest["publications"]:
        if each["state"] == "committed":
            yield {
                "name": each["output"],
                "uri": each["uri"],
                "digest": _digest(each),
                "annotations": {"format": each["format"], "tableVersion": each["table_version"]},
            }


def _digest(publication: Mapping[str, Any]) -> Json:
    files = publication["files"]
    if publication["format"] == "object" and len(files) == 1:
        return {"sha256": files[0]["sha256"]}
    return {"dirHash": dir_hash((file["path"], file["sha256"]) for file in files)}


def dir_hash(files: Iterable[tuple[str, str]]) -> str:
    """in-toto's dirHash of (path, sha256) of files, hex: Go's Hash1 without its prefix."""
    lines = (f"{sha256}  {path}\n" for path, sha256 in sorted(files, key=lambda file: file[0].encode()))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _definition(manifest: Mapping[str, Any]) -> Json:
    run = manifest["run"]
    return {
        "buildType": BUILD_TYPE,
        "externalParameters": {
            "workspace": run["workspace"],
            "template": run["template"],
            "params": manifest["params"],
            "inputs": manifest["inputs"],
        },
        "internalParameters": {"caps": manifest["caps"], "environment": manifest["environment"]},
        "resolvedDependencies": [*_code(manifest), *_inputs(manifest)],
    }


def _code(manifest: Mapping[str, Any]) -> Iterator[Json]:
    yield {"name": "template", "digest": {"sha256": manifest["run"]["template"]["digest"]}}
    bundle = manifest["code"]["bundle"]
    if bundle:
        yield {"name": "bundle", "digest": {"sha256": bundle["sha256"]}}


def _inputs(manifest: Mapping[str, Any]) -> Iterator[Json]:
    for each in manifest["inputs"]:
        found: Json = {"name": f"inputs/{each.get('name')}"}
        if each.get("uri"):
            found["uri"] = each["uri"]
        if each.get("sha256"):
            found["digest"] = {"sha256": each["sha256"]}
        if each.get("version") is not None:
            found["annotations"] = {"tableVersion": each["version"]}
        if found.keys() & {"uri", "digest"}:
            yield found


def _details(manifest: Mapping[str, Any], made_at: str) -> Json:
    outcome = manifest["outcome"]
    times = {"startedOn": outcome["started_at"], "finishedOn": outcome["finished_at"]}
    metadata = {"invocationId": f"urn:uuid:{manifest['run']['run_id']}"}
    return {
        "builder": {"id": BUILDER},
        "metadata": metadata | {name: value for name, value in times.items() if value},
        "byproducts": [
            {"name": "events", "digest": {"sha256": manifest["events"]["head"]},
             "annotations": {"length": manifest["events"]["length"], "manifestMadeAt": made_at}},
        ],
    }  # fmt: skip
