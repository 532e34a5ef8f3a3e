"""What a template must be, beyond its JSON Schema: paths, placeholders, and the graph of a pipeline. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from graphlib import CycleError, TopologicalSorter
from importlib.resources import files
from typing import Any

from control_room.api.engine_spec import engine_issues, unknown_config
from control_room.api.json_schema import Budget, Issue, number_issues, pointer, schema_issues, validation_issues
from control_room.api.names import did_you_mean
from control_room.api.output_spec import is_inside, output_issues, published_kind
from control_room.api.params import is_open, known_params, placeholders, unknown_param_issues

Spec = Mapping[str, Any]
# Our own schema is no danger, but a document of 4 MiB has many values.
_STEPS = 2_000_000
# Kinds whose statements write tables at an engine, under names that the template does not declare.
_TABLE_WRITERS = {"trino", "spark"}


@cache
def template_schema() -> dict[str, Any]:
    """The JSON Schema of a template document."""
    text = (files("control_room.api") / "schemas" / "template.schema.json").read_text("utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def referenced_templates(spec: Spec) -> set[str]:
    """Template names the tasks of a (possibly malformed) pipeline name."""
    tasks = spec.get("tasks")
    values = tasks.values() if isinstance(tasks, Mapping) else []
    return {t["template"] for t in values if isinstance(t, Mapping) and isinstance(t.get("template"), str)}


def template_issues(spec: Spec, known: Mapping[str, Spec], names: Iterable[str] = ()) -> list[Issue]:
    """All that is wrong with `spec`. known: specs of the templates its tasks name; names: for near names."""
    formal = validation_issues(template_schema(), spec, budget=Budget(_STEPS))
    if formal:
        return [*formal, *unknown_config(spec)]
    unusable = _params_schema_issues(spec)
    issues = [*unusable, *_number_issues(spec), *_entrypoint_issues(spec), *_port_issues(spec), *_reuse_issues(spec)]
    if unusable:
        return issues
    issues += [*_placeholder_issues(spec), *engine_issues(spec)]
    if spec["kind"] == "pipeline":
        issues += pipeline_issues(spec, known, names)
    return issues


def _params_schema_issues(spec: Spec) -> list[Issue]:
    return schema_issues(spec.get("params_schema", {}), "params_schema")


def _number_issues(spec: Spec) -> Iterator[Issue]:
    yield from number_issues(spec.get("config", {}), "config")
    for key, task in spec.get("tasks", {}).items():
        yield from number_issues(task.get("params", {}), "tasks", key, "params")


def _entrypoint_issues(spec: Spec) -> Iterator[Issue]:
    entrypoint = spec.get("entrypoint")
    if entrypoint is None or spec["kind"] == "command" or is_inside(entrypoint):  # a command has none: said elsewhere
        return
    last = re.split(r"[/\\]", entrypoint)[-1]
    inside = "." if last in ("", "..", "~") else last
    text = f"{entrypoint!r} leaves the bundle; name what lies in its folder, as {inside!r}, or a folder above as bundle"
    yield Issue("/entrypoint", text)


def _port_issues(spec: Spec) -> Iterator[Issue]:
    for side in ("inputs", "outputs"):
        ports: Sequence[Mapping[str, Any]] = spec.get(side, [])
        names = [port["name"] for port in ports]
        for index, name in enumerate(names):
            if name in names[:index]:
                yield Issue(pointer(side, index, "name"), f"{name!r} is declared twice")
    yield from output_issues(spec.get("outputs", []))


def _reuse_issues(spec: Spec) -> Iterator[Issue]:
    """What was done once cannot stand for what a further run would have added."""
    if "reuse" not in spec:
        return
    if spec["kind"] == "pipeline":
        yield Issue("/reuse", "is for runs that do work: say it in the templates of the tasks")
    for index, output in enumerate(spec.get("outputs", [])):
        if output.get("mode") == "append":
            yield Issue(
                pointer("outputs", index, "mode"), "append adds with every run: nothing can be reused; overwrite"
            )


def _placeholder_issues(spec: Spec) -> Iterator[Issue]:
    schema = spec.get("params_schema", {})
    places: list[tuple[str, Any]] = [
        (pointer("outputs", index, "path"), output["path"]) for index, output in enumerate(spec.get("outputs", []))
    ]
    if "concurrency" in spec:
        places.append(("/concurrency/key", spec["concurrency"]["key"]))
    places += [(pointer("tasks", key, "params"), task.get("params", {})) for key, task in spec.get("tasks", {}).items()]
    for path, value in places:
        yield from _undeclared(path, value, schema)


def _undeclared(path: str, value: Any, schema: Mapping[str, Any]) -> Iterator[Issue]:
    known = known_params(schema)
    for name in sorted(placeholders(value)):
        if name not in known and not is_open(schema):
            yield Issue(path, f"{{params.{name}}} is no parameter of this template{did_you_mean(name, known)}")


def pipeline_issues(spec: Spec, known: Mapping[str, Spec], names: Iterable[str]) -> list[Issue]:
    """What is wrong with the tasks: unknown templates, params, dependencies, inputs; cycles."""
    tasks: Mapping[str, Any] = spec["tasks"]
    issues = [*_dependency_issues(tasks), *_cycle_issues(tasks)]
    for key, task in tasks.items():
        issues += _task_template_issues(key, task, known, names)
        issues += _task_input_issues(key, tasks, known)
    return issues


def _dependency_issues(tasks: Mapping[str, Any]) -> Iterator[Issue]:
    for key, task in tasks.items():
        for index, parent in enumerate(task.get("depends_on", [])):
            path = pointer("tasks", key, "depends_on", index)
            if parent == key:
                yield Issue(path, f"task {key!r} depends on itself")
            elif parent not in tasks:
                yield Issue(path, f"unknown task {parent!r}{did_you_mean(parent, tasks)}")


def parents(task: Mapping[str, Any]) -> set[str]:
    """The tasks a task waits for: those it depends on, and those whose outputs it reads."""
    return {*task.get("depends_on", []), *(source.split(".", 1)[0] for source in task.get("inputs", {}).values())}


def _cycle_issues(tasks: Mapping[str, Any]) -> list[Issue]:
    try:
        TopologicalSorter({key: parents(task) & set(tasks) - {key} for key, task in tasks.items()}).prepare()
    except CycleError as error:
        ring: list[str] = error.args[1]
        return [Issue(pointer("tasks", ring[-1], "depends_on"), "the tasks wait for each other: " + " -> ".join(ring))]
    return []


def _task_template_issues(
    key: str, task: Mapping[str, Any], known: Mapping[str, Spec], names: Iterable[str]
) -> Iterator[Issue]:
    child = known.get(task["template"])
    path = pointer("tasks", key, "template")
    if child is None:
        hint = did_you_mean(task["template"], names)
        yield Issue(path, f"unknown template {task['template']!r}{hint}; apply it first")
    elif child.get("kind") == "pipeline":
        yield Issue(path, f"{task['template']!r} is a pipeline; a task runs a template of an executor kind")
    else:
        yield from unknown_param_issues(child.get("params_schema", {}), task.get("params", {}), "tasks", key, "params")


def _task_input_issues(key: str, tasks: Mapping[str, Any], known: Mapping[str, Spec]) -> Iterator[Issue]:
    task = tasks[key]
    child = known.get(task["template"])
    declared = {port["name"]: port["kind"] for port in (child or {}).get("inputs", [])}
    given = task.get("inputs", {})
    if child is not None:
        for name in sorted(set(declared) - set(given)):
            yield Issue(pointer("tasks", key, "inputs"), f"input {name!r} of template {task['template']!r} is missing")
    for name, reference in given.items():
        path = pointer("tasks", key, "inputs", name)
        if child is not None and name not in declared:
            yield Issue(path, f"template {task['template']!r} has no input {name!r}{did_you_mean(name, declared)}")
        yield from _reference_issues(path, key, reference, declared.get(name, "table"), tasks, known)


def _reference_issues(
    path: str, key: str, reference: str, kind: str, tasks: Mapping[str, Any], known: Mapping[str, Spec]
) -> Iterator[Issue]:
    source, output = reference.split(".", 1)
    if source not in tasks:
        yield Issue(path, f"unknown task {source!r} in {reference!r}{did_you_mean(source, tasks)}")
        return
    if source == key:
        yield Issue(path, f"{reference!r} is an output of this very task")
        return
    parent = known.get(tasks[source]["template"])
    outputs = {port["name"]: port.get("format", "delta") for port in (parent or {}).get("outputs", [])}
    if parent is None or (output not in outputs and _code_decides(parent, kind, output)):
        return
    if output not in outputs:
        yield Issue(path, f"task {source!r} has no output {output!r}{did_you_mean(output, outputs)}")
    elif kind != (published := published_kind(outputs[output])) and (kind, published) != ("artifact", "table"):
        message = f"{reference!r} is of kind {published}, the input is declared as {kind}"
        yield Issue(path, message)


def _code_decides(parent: Mapping[str, Any], kind: str, output: str) -> bool:
    """Whether nobody knows ahead what there will be: artifacts, and tables that an engine writes."""
    return kind == "artifact" or (kind == "table" and _engine_writes(parent, output))


def _engine_writes(parent: Mapping[str, Any], output: str) -> bool:
    """Whether it may be a table that the parent's statements write at their engine: `catalog.schema.table`."""
    on_engine = parent.get("kind") == "dbt" and (parent.get("config") or {}).get("adapter") in _TABLE_WRITERS
    return "." in output and (parent.get("kind") in _TABLE_WRITERS or on_engine)
