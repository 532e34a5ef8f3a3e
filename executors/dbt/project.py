"""The dbt project of a run: generated profile, command lines, and what its manifest says. dbt runs in this process."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from executors.dbt.checkpoint import selection
from executors.dbt.config import DOCS, TAKES_FULL_REFRESH, DbtConfig
from executors.dbt.relation import Relation
from executors.runtime.failures import TaskError

PROFILE = "control_room"
SOURCE_NAME = "inputs"
PUBLISHABLE = ("model", "seed", "snapshot")


@dataclass(frozen=True)
class Project:
    """Where things are. All that dbt writes goes below ``work_dir``; the project folder is only read."""

    folder: Path
    work_dir: Path
    config: DbtConfig
    memory_bytes: int | None = None

    @property
    def target(self) -> Path:
        return self.work_dir / "target"

    @property
    def logs(self) -> Path:
        return self.work_dir / "logs"

    @property
    def profiles(self) -> Path:
        return self.work_dir / "profiles"

    def write_profile(self, output: Mapping[str, Any]) -> None:
        """Write profiles.yml with this output; secrets stand in it as references to variables."""
        self.profiles.mkdir(exist_ok=True)
        document = {PROFILE: {"target": "run", "outputs": {"run": dict(output)}}}
        (self.profiles / "profiles.yml").write_text(yaml.safe_dump(document), encoding="utf-8")

    def arguments(self, *command: str) -> list[str]:
        """A whole command line of dbt for this project."""
        return [
            *("--no-send-anonymous-usage-stats", "--no-use-colors", "--no-use-colors-file", "--no-partial-parse"),
            *("--log-path", str(self.logs), "--log-level-file", "debug"),
            *command,
            *("--project-dir", str(self.folder), "--profiles-dir", str(self.profiles), "--profile", PROFILE),
            *("--target", "run", "--target-path", str(self.target), "--vars", json.dumps(dict(self.config.vars))),
        ]

    def main_arguments(self, chosen: tuple[str, ...] = (), state: Path | None = None) -> list[str]:
        """The template's command. chosen: of what it selects only this, by the earlier files in ``state``."""
        config = self.config
        words: list[str] = ["--threads", str(config.threads)]
        select = selection(config.select, chosen)
        for option, values in (("--select", select), ("--exclude", config.exclude)):
            words += [option, *values] if values else []
        if chosen:
            words += ["--state", str(state), *(["--defer"] if config.defer else [])]
        if config.full_refresh and config.command in TAKES_FULL_REFRESH:
            words.append("--full-refresh")
        if config.command == DOCS:
            words.append("--static")
        return self.arguments(*config.command.split(), *words)

    def retry_arguments(self, state: Path) -> list[str]:
        """dbt's own retry of what the results in ``state`` say was not done."""
        return self.arguments("retry", "--threads", str(self.config.threads), "--state", str(state))


def quiet_environment(work_dir: Path) -> None:
    """Keep dbt from calling home and from writing outside the work folder."""
    os.environ.update(
        {"DO_NOT_TRACK": "1", "DBT_SEND_ANONYMOUS_USAGE_STATS": "false", "DBT_LOG_PATH": str(work_dir / "logs")}
    )


def relations(manifest: Any, inputs: Mapping[str, Any]) -> tuple[Relation, ...]:
    """The inputs that the project's sources name: tables of the source ``inputs``, or those with ``meta: {input: …}``.

    TaskError (user, ``source_without_input``) when such a source names no input of the run.
    """
    found = []
    for node in manifest.sources.values():
        named = (node.meta or {}).get("input") or (node.config.meta or {}).get("input")
        if not named and node.source_name != SOURCE_NAME:
            continue
        name = str(named or node.name)
        if name not in inputs:
            raise TaskError(
                "user",
                "source_without_input",
                f"source {node.source_name}.{node.name} ({node.original_file_path}) wants the input {name!r}, "
                f"and the run has no such input (inputs: {', '.join(sorted(inputs)) or 'none'})",
                position={"file": node.original_file_path, "node": node.unique_id},
            )
        found.append(Relation(name, node.schema, node.identifier))
    return tuple(found)


def published_nodes(manifest: Any, publish: Mapping[str, str]) -> dict[str, Any]:
    """Output -> node of the manifest; TaskError (user, ``config_invalid``) for a model that cannot be published."""
    return {output: published_node(manifest, output, name) for output, name in publish.items()}


def published_node(manifest: Any, output: str, name: str) -> Any:
    nodes = [n for n in manifest.nodes.values() if n.name == name and n.resource_type in PUBLISHABLE]
    if len(nodes) != 1:
        known = ", ".join(sorted(n.name for n in manifest.nodes.values() if n.resource_type in PUBLISHABLE)) or "none"
        what = "names several models" if nodes else f"names no model of the project (models: {known})"
        raise TaskError("user", "config_invalid", f"the template's config.publish.{output}: {name!r} {what}")
    if nodes[0].config.materialized == "ephemeral":
        message = f"the template's config.publish.{output}: model {name!r} is ephemeral; make it a table"
        raise TaskError("user", "config_invalid", message)
    return nodes[0]
