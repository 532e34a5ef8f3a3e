"""What dbt said: per-node records for the run's result, and the error of a failed invocation."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from executors.runtime.failures import TaskError, classify

FAILED = frozenset({"error", "fail", "runtime error", "partial success"})
TESTS = frozenset({"test", "unit_test"})
COUNTED = ("model", "seed", "snapshot")
LOST = frozenset({"trino_unreachable", "connection_lost"})
MESSAGE_LIMIT = 1000
SHOWN_FAILURES = 5
FILE_IN_TEXT = re.compile(r"([\w./-]+\.(?:sql|yml|yaml|csv|py|md))\b")
# By code: what to do about it, which the engine's words do not say.
HINTS = {
    "views_unsupported": "this catalog has no views, which is what dbt makes of a model that says nothing: "
    "materialize as table (models: +materialized: table in dbt_project.yml)"
}
EngineWords = Callable[[str], tuple[str, str] | None]
LINE_IN_TEXT = re.compile(r"\bline (\d+)", re.IGNORECASE)
RESOURCE_WORDS = {
    "out of memory": "out_of_memory",
    "could not allocate": "out_of_memory",
    "no space left": "disk_full",
    "could not set lock": "database_locked",
    "database is locked": "database_locked",
    "max_temp_directory_size": "disk_full",
}


def no_words(message: str) -> tuple[str, str] | None:
    """An engine whose errors carry no class of their own."""
    return None


def node_records(results: Iterable[Any], rows: Mapping[str, int]) -> list[dict[str, Any]]:
    """One record per executed node, in the order of completion; ``rows``: unique_id -> rows of its table."""
    return [node_record(result, rows.get(result.node.unique_id)) for result in results]


def node_record(result: Any, rows: int | None) -> dict[str, Any]:
    """``{unique_id, name, resource_type, status, rows, seconds, message, failures, file}``; absent values are null."""
    return {
        "unique_id": result.node.unique_id,
        "name": result.node.name,
        "resource_type": str(result.node.resource_type),
        "status": str(result.status),
        "rows": rows if rows is not None else told_rows(result.adapter_response),
        "seconds": round(float(result.execution_time), 3),
        "message": tidy(result.message or age_told(result))[:MESSAGE_LIMIT] or None,
        "failures": result.failures,
        "file": result.node.original_file_path,
    }


def stands(result: Mapping[str, Any], manifest: Any) -> bool:
    """Whether a result of an earlier attempt is of a node; hooks are done each time."""
    return result["unique_id"] in manifest.nodes


def kept_record(result: Mapping[str, Any], node: Any, rows: int | None) -> dict[str, Any]:
    """The record of a node that an earlier attempt did; ``kept`` says so. result: as in run_results.json."""
    return {
        "unique_id": node.unique_id,
        "name": node.name,
        "resource_type": str(node.resource_type),
        "status": str(result["status"]),
        "rows": rows if rows is not None else told_rows(result["adapter_response"]),
        "seconds": round(float(result["execution_time"]), 3),
        "message": tidy(result["message"])[:MESSAGE_LIMIT] or None,
        "failures": result["failures"],
        "file": node.original_file_path,
        "kept": True,
    }


def told_rows(response: Mapping[str, Any] | None) -> int | None:
    """How many rows an adapter says that it changed; Trino's says -1 where it does not know."""
    rows = (response or {}).get("rows_affected")
    return rows if rows is None or rows >= 0 else None


def age_told(result: Any) -> str | None:
    """What dbt leaves unsaid of a source whose freshness it measured."""
    age = getattr(result, "age", None)
    return None if age is None else f"the newest row was {timedelta(seconds=round(age))} old"


def totals(nodes: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """How many nodes there are of each kind and of each status: ``{"models": 9, "tests": 40, "pass": 40, …}``."""
    counts: Counter[str] = Counter()
    for node in nodes:
        counts[f"{node['resource_type']}s"] += 1
        counts[str(node["status"]).replace(" ", "_")] += 1
    return dict(sorted(counts.items()))


def tidy(text: Any) -> str:
    """A message of dbt on fewer lines, without the indentation that a terminal wants."""
    return "\n".join(line.strip() for line in str(text or "").splitlines() if line.strip())


def failure_of_nodes(nodes: list[dict[str, Any]], engine: EngineWords = no_words) -> TaskError:
    """The error of a run in which nodes failed: the first one's position, and the first few by name and message.

    ``engine`` reads the class and code from a message in the words of the engine.
    """
    failed = [node for node in nodes if node["status"] in FAILED]
    first = failed[0]
    shown = "; ".join(told(node) for node in failed[:SHOWN_FAILURES])
    more = f"; and {len(failed) - SHOWN_FAILURES} more" if len(failed) > SHOWN_FAILURES else ""
    failure_class, code = in_flight(first, engine(f"{first['message']}")) or class_of(
        f"{first['message']}", code_of(first)
    )
    hint = f"; {HINTS[code]}" if code in HINTS else ""
    return TaskError(
        failure_class,
        code,
        f"{len(failed)} of {len(nodes)} dbt nodes failed, so nothing is published: {shown}{more}{hint}",
        trace="\n\n".join(f"{node['unique_id']} ({node['file']})\n{node['message']}" for node in failed),
        position={"file": first["file"], "node": first["unique_id"]},
    )


def in_flight(node: Mapping[str, Any], told: tuple[str, str] | None) -> tuple[str, str] | None:
    """An engine that went away while it wrote a table: nobody knows whether that was done."""
    writes = node["resource_type"] in COUNTED
    return ("external", "outcome_unknown") if writes and told and told[1] in LOST else told


def code_of(node: Mapping[str, Any]) -> str:
    if node["resource_type"] == "source":
        return "source_stale" if is_stale(node) else "source_failed"
    return "test_failed" if is_failed_test(node) else "model_failed"


def is_stale(node: Mapping[str, Any]) -> bool:
    """Freshness was measured and is too old; the measure itself failed otherwise."""
    return bool(node["status"] == "error")


def is_failed_test(node: Mapping[str, Any]) -> bool:
    return node["resource_type"] in TESTS and node["status"] == "fail"


def told(node: Mapping[str, Any]) -> str:
    lines = str(node["message"] or node["status"]).splitlines()
    artifact = (node.get("failing_rows") or {}).get("artifact")
    rows = f" (rows in {artifact})" if artifact else ""
    return f"{node['resource_type']} {node['name']} ({node['file']}): {' '.join(lines[:3])}{rows}"


def failure_of_exception(error: BaseException, folder: Path, engine: EngineWords = no_words) -> TaskError:
    """The error of an invocation that came to no result: a project that does not parse, an option dbt refuses."""
    text = tidy(error) or type(error).__name__
    told = engine(text)
    failure_class, code = told or class_of(text, exception_code(error))
    if not told and failure_class == "user" and not is_dbt_error(error):
        failure_class, code = classify(error)
    return TaskError(failure_class, code, text[:4000], trace=text, position=position_in(text, folder))


def class_of(text: str, code: str) -> tuple[str, str]:
    """(failure class, code) of a message; resources and the store are told by their words."""
    lower = text.lower()
    for words, resource_code in RESOURCE_WORDS.items():
        if words in lower:
            return "resources", resource_code
    if "generic s3 error" in lower or "store_failed" in lower:
        return "external", "store_failed"
    return "user", code


def exception_code(error: BaseException) -> str:
    name = type(error).__name__
    if "Pars" in name or "Yaml" in name or "Project" in name or "Schema" in name:
        return "parse_failed"
    return "dbt_usage" if "Usage" in name else "compile_failed"


def is_dbt_error(error: BaseException) -> bool:
    return any(base.__module__.startswith(("dbt.", "dbt_common.")) for base in type(error).__mro__)


def position_in(text: str, folder: Path) -> dict[str, Any] | None:
    """The first file and line that a message of dbt names; dbt leaves the folder out when YAML is broken."""
    file, line = FILE_IN_TEXT.search(text), LINE_IN_TEXT.search(text)
    if not file:
        return None
    found = [] if (folder / file[1]).exists() else list(folder.rglob(Path(file[1]).name))
    name = str(found[0].relative_to(folder)) if len(found) == 1 else file[1]
    return {"file": name} | ({"line": int(line[1])} if line else {})
