"""The job document: what an attempt's child finds, and the files fetched for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from contract import models
from contract.client import NO_RETRY
from executors.runtime.bundles import check_entrypoint
from executors.runtime.earlier import Earlier
from executors.runtime.failures import TaskError
from executors.runtime.policy import Persistence
from executors.runtime.workshop import Workshop

Json = dict[str, Any]
LEASE_FIELDS = ("lease_seconds", "lease_deadline", "on_lapse", "rerun", "max_attempts")


def job_document(
    claimed: models.ClaimedRun,
    shop: Workshop,
    persist: Persistence,
    folder: Path,
    connections: dict[str, Any],
    contract_version: str,
) -> Json:
    """Make the attempt's folders, fetch its bundle and inputs, and tell of them.

    The run as claimed without its lease, and: `work_dir`, `bundle_dir` (or None), `connections`, `input_files` (name
    to path), `earlier` (what the kind asks for of earlier attempts), and what the kind adds; `secrets` are the
    caller's to take out. Raises TaskError for a bundle, an entrypoint or an input that cannot be had.
    """
    work = folder / "work"
    work.mkdir()
    (work / ".artifacts").mkdir()
    (folder / "home").mkdir()
    bundle_dir = None
    if claimed.bundle:
        bundle_dir = shop.bundles.unpack(claimed.bundle.sha256, folder / "bundle", persist)
    if claimed.entrypoint:
        check_entrypoint(claimed.entrypoint, bundle_dir)
    job = claimed.model_dump(mode="json", by_alias=True, exclude=set(LEASE_FIELDS))
    job |= {"work_dir": str(work), "bundle_dir": str(bundle_dir) if bundle_dir else None}
    job["connections"] = connections
    job["input_files"] = inputs(claimed, shop, persist, folder / "inputs")
    earlier = Earlier(shop.client, persist, claimed, folder / "inputs" / "earlier")
    job["earlier"] = earlier.fetched(shop.kind.earlier(job), contract_version)
    shop.kind.prepare(job)
    return job


def inputs(claimed: models.ClaimedRun, shop: Workshop, persist: Persistence, folder: Path) -> dict[str, str]:
    """Download artifact inputs; name -> local path."""
    folder.mkdir()
    files: dict[str, str] = {}
    for index, item in enumerate(i for i in claimed.inputs if i.kind == "artifact"):
        if item.artifact_id is None:
            raise TaskError("internal", "input_unresolved", f"input {item.name!r} names no artifact")
        target = folder / f"{index}-{Path(item.name).name}"
        fetch(str(item.artifact_id), target, shop, persist)
        files[item.name] = str(target)
    return files


def fetch(artifact_id: str, target: Path, shop: Workshop, persist: Persistence) -> None:
    def once() -> None:
        shop.client.download(shop.client.get_artifact(artifact_id, retry=NO_RETRY), target, retry=NO_RETRY)

    persist(once)
