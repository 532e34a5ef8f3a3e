"""Where a run begins: anew, where another attempt at the same work ended, or with what changed since the last success.

An attempt that dbt brought to its end leaves ``run_results.json`` marked with a digest of what decides what dbt does
(config, params, inputs) and with that of the project. Only an attempt at the same may go on from there; one whose
project was mended since does also what is modified. An attempt that was ended from outside knows nothing of the nodes
that it did not reach, and is no such checkpoint.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from executors.dbt.config import DRILL, DbtConfig, parse_config
from executors.runtime.earlier import Want

RESULTS, MANIFEST, DATABASE = "run_results.json", "manifest.json", "warehouse.duckdb"
DECIDES = ("entrypoint", "config", "params", "inputs", "outputs")
MODIFIED = "state:modified+"
# What dbt's retry would do again, and what is modified since.
MENDED = ("result:error+", "result:fail+", "result:skipped+", MODIFIED)
# What no word of MENDED selects: some batches of a model done, others not.
NOT_SELECTED = frozenset({"runtime error", "partial success"})
PROJECT = "project"
# As dbt's own retry: what is done again.
AGAIN = frozenset({"error", "fail", "skipped", "runtime error", "partial success"})
Json = dict[str, Any]


def project_of(job: Mapping[str, Any]) -> str | None:
    """Digest of the bundle."""
    return (job.get("bundle") or {}).get("sha256")


def mark_of(job: Mapping[str, Any]) -> str:
    """Digest of what decides what dbt does beside the project. Not by canonical JSON, which has no place for the 63
    bits of an Iceberg snapshot: a run compares it with its own kind's alone."""
    decides = {name: job.get(name) for name in DECIDES}
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()


def wanted(job: Mapping[str, Any]) -> list[Want]:
    """What the runtime is to fetch for a run; TaskError for a wrong config."""
    if job.get("entrypoint") == DRILL:
        return []
    config = parse_config(job)
    wants = []
    if config.takes_up:
        wants.append(Want("attempts", (RESULTS, MANIFEST, *needed(config)), mark_of(job)))
    if config.state:
        wants.append(Want("success", (MANIFEST, *needed(config))))
    return wants


def needed(config: DbtConfig) -> tuple[str, ...]:
    """Files without which the results alone are of no use: with DuckDB the data are in one."""
    return (DATABASE,) if config.adapter == "duckdb" else ()


@dataclass(frozen=True)
class Start:
    """How the run begins. ``said`` is for people; ``files``: what is there of the earlier one; ``kept``: results of
    nodes that are not done again, as dbt wrote them; ``again``: how many are."""

    how: str = "anew"
    said: str | None = None
    files: Mapping[str, Path] = field(default_factory=dict)
    kept: tuple[Json, ...] = ()
    again: int = 0

    @property
    def goes_on(self) -> bool:
        """Whether results of an earlier attempt at this work stand."""
        return self.how in ("resumed", "mended")

    @property
    def chosen(self) -> tuple[str, ...]:
        """What dbt is to select of the template's selection; empty: all of it."""
        return {"modified": (MODIFIED,), "mended": MENDED}.get(self.how, ())

    def record(self) -> Json:
        """Part of the run's result; empty for a run with nothing to say."""
        if self.said is None:
            return {}
        counts = {"kept": len(self.kept), "again": self.again} if self.how == "resumed" else {}
        return {"start": {"how": self.how, "why": self.said, **counts}}


def start_of(job: Mapping[str, Any], config: DbtConfig) -> Start:
    """Resume where that is possible, else the last success's state where the template asks for it, else anew."""
    earlier = job.get("earlier") or {}
    if "attempts" in earlier and config.takes_up:
        found = resumed(earlier["attempts"], config, project_of(job))
        if found.goes_on or not config.state:
            return found
    if config.state:
        return since_success(earlier.get("success"), config)
    if job.get("attempt", 1) > 1:
        return Start(said="the attempt before was ended from outside and left no results: everything runs")
    return Start()


def resumed(earlier: Mapping[str, Any], config: DbtConfig, project: str | None) -> Start:
    who = f"run {earlier['number']}, attempt {earlier['attempt']}"
    files = paths(earlier)
    if RESULTS not in files:
        return Start(said=f"{who} had other config, params or inputs, or did not get to results: everything runs")
    if missing := [name for name in needed(config) if name not in files]:
        return Start(said=f"{who} left no {missing[0]} to go on with: everything runs")
    results = json.loads(files[RESULTS].read_text("utf-8"))["results"]
    kept = tuple(result for result in results if result["status"] not in AGAIN)
    again = len(results) - len(kept)
    if earlier["metadata"].get(RESULTS, {}).get(PROJECT) != project:
        if any(result["status"] in NOT_SELECTED for result in results):
            return Start(said=f"{who} did half of a node, in another project: everything runs")
        said = f"goes on after {who} with another project: what failed there, and what is modified, is done"
        return Start("mended", said, files, kept)
    said = f"goes on after {who}: {len(kept)} nodes stand, {again} are done again"
    return Start("resumed", said, files, kept, again)


def since_success(earlier: Mapping[str, Any] | None, config: DbtConfig) -> Start:
    files = paths(earlier) if earlier else {}
    if earlier is None or MANIFEST not in files:
        return Start(said="no run of this template has succeeded yet and left its manifest: everything runs")
    who = f"run {earlier['number']}"
    if missing := [name for name in needed(config) if name not in files]:
        return Start(said=f"{who} succeeded and left no {missing[0]}: everything runs")
    return Start("modified", f"what is modified since {who} succeeded, and what depends on it", files)


def paths(earlier: Mapping[str, Any]) -> dict[str, Path]:
    return {name: Path(path) for name, path in earlier["files"].items()}


def place(start: Start, work_dir: Path) -> Path:
    """Copy the earlier files to a folder that dbt is shown as its state; a database to the work folder."""
    folder = work_dir / "state"
    folder.mkdir()
    for name, path in start.files.items():
        shutil.copyfile(path, (work_dir if name == DATABASE else folder) / name)
    return folder


def selection(select: tuple[str, ...], chosen: tuple[str, ...]) -> tuple[str, ...]:
    """The template's selection, and of that only what is chosen, each as dbt's --select."""
    return tuple(f"{word},{one}" for word in select for one in chosen) if select and chosen else chosen or select


def merge(results: Path, kept: Iterable[Json]) -> None:
    """Make dbt's results of a part those of the whole: the next attempt goes on from there."""
    document = json.loads(results.read_text("utf-8"))
    done = {result["unique_id"] for result in document["results"]}
    document["results"] = [result for result in kept if result["unique_id"] not in done] + document["results"]
    results.write_text(json.dumps(document), encoding="utf-8")
