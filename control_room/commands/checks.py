"""Templates on disk, checked together before any of them is applied: each problem with its file and line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from control_room.commands import yaml12
from control_room.commands.bundles import bundle_folder, pack, read_template, template_files
from control_room.commands.entrypoints import CHECKS, entrypoint_wrong
from control_room.errors import MISUSE, ControlRoomError

if TYPE_CHECKING:
    from control_room.api.issues import Issue

Json = dict[str, Any]
PIPELINE = "pipeline"


@dataclass(frozen=True)
class Problem:
    """where: file or file:line; path: JSON Pointer into the template, '' for all of it."""

    where: str
    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.path}: {self.message}" if self.path else f"{self.where}: {self.message}"


@dataclass
class Draft:
    """A template as read from its file, with the folder of its bundle, packed; spec['bundle'] is its digest then."""

    file: Path
    spec: Json
    archive: bytes | None = None
    folder: Path | None = None
    problems: list[Problem] = field(default_factory=list)

    def refuse(self, path: str, message: str) -> None:
        line = line_of(self.file, path)
        self.problems.append(Problem(f"{self.file}:{line}" if line else str(self.file), path, message))


def checked(paths: Iterable[Path], known: list[Json], kinds: Iterable[str]) -> list[Draft]:
    """The templates in the order to apply. known: those on the server; kinds: of its executors.

    Raises ControlRoomError with every problem of every file.
    """
    files = template_files(list(paths))
    drafts, problems = _read(files)
    drafts.sort(key=lambda draft: draft.spec.get("kind") == PIPELINE)  # after the templates they name
    _refuse_twins(drafts)
    for number, draft in enumerate(drafts):
        _take_bundle(draft)
        _refuse_kind(draft, {*CHECKS, PIPELINE, *kinds, *(item["kind"] for item in known)})
        _refuse_issues(draft, drafts[:number], known)
        _refuse_entrypoint(draft)
    problems += [problem for draft in drafts for problem in draft.problems]
    if problems:
        raise _all_of(problems, len(files))
    return drafts


def _read(files: list[Path]) -> tuple[list[Draft], list[Problem]]:
    drafts, problems = [], []
    for file in files:
        try:
            drafts.append(Draft(file, read_template(file)))
        except ControlRoomError as error:
            problems.append(Problem(error.where, "", error.what))
    return drafts, problems


def _refuse_twins(drafts: list[Draft]) -> None:
    first: dict[str, Draft] = {}
    for draft in drafts:
        other = first.setdefault(draft.spec["name"], draft)
        if other is not draft:
            draft.refuse("/name", f"{draft.spec['name']!r} is the name of the template in {other.file}, too")


def _take_bundle(draft: Draft) -> None:
    import hashlib

    bundle, kind = draft.spec.get("bundle"), draft.spec.get("kind")
    if bundle is None and kind in CHECKS:
        draft.refuse("/bundle", f"is missing: name the folder with the code that the {kind} executor shall run")
    if not isinstance(bundle, str):
        return
    draft.spec["bundle"] = None
    try:
        folder = bundle_folder(draft.file, bundle)
        draft.archive = pack(folder)
        draft.folder = folder
    except ControlRoomError as error:
        draft.refuse("/bundle", f"{error.what}; {error.next_step}" if error.next_step else error.what)
        return
    draft.spec["bundle"] = {"sha256": hashlib.sha256(draft.archive).hexdigest(), "size": len(draft.archive)}


def _refuse_entrypoint(draft: Draft) -> None:
    """What it names has to be there; of one that was refused as a text already, once is enough."""
    kind, entrypoint = draft.spec.get("kind"), draft.spec.get("entrypoint")
    refused = any(problem.path == "/entrypoint" for problem in draft.problems)
    if refused or draft.folder is None or not (isinstance(kind, str) and isinstance(entrypoint, str)):
        return
    if wrong := entrypoint_wrong(kind, entrypoint, draft.folder):
        draft.refuse("/entrypoint", wrong)


def _refuse_kind(draft: Draft, kinds: set[str]) -> None:
    """A kind that is nearly one we know is a slip; of others the server knows best, it has the list."""
    from control_room.api.names import near

    kind = draft.spec.get("kind")
    if isinstance(kind, str) and kind not in kinds and (close := near(kind, kinds, limit=1)):
        listed = ", ".join(sorted(kinds))
        draft.refuse("/kind", f"{kind!r} is no kind here; did you mean {close[0]!r}? known kinds: {listed}")


def _refuse_issues(draft: Draft, before: list[Draft], known: list[Json]) -> None:
    from control_room.api.template_spec import template_issues
    from control_room.commands.plain_issues import plain

    specs, bad = _around(draft, before, known)
    for issue in template_issues(draft.spec, specs, [*specs, *bad]):
        for path, message in plain(issue, draft.spec, specs):
            if not _of_a_bad_one(issue, draft.spec, bad):
                draft.refuse(path, message)


def _around(draft: Draft, before: list[Draft], known: list[Json]) -> tuple[dict[str, Json], set[str]]:
    """The templates a pipeline may name: those on the server and those applied before it; and those that are wrong."""
    workspace = draft.spec.get("workspace", "default")
    specs = {item["name"]: item["spec"] for item in known if item["workspace"] == workspace}
    same = [other for other in before if other.spec.get("workspace", "default") == workspace]
    specs |= {other.spec["name"]: other.spec for other in same if not other.problems}
    bad = {other.spec["name"] for other in same if other.problems}
    return {name: spec for name, spec in specs.items() if name not in bad}, bad


def _of_a_bad_one(issue: Issue, spec: Mapping[str, Any], bad: set[str]) -> bool:
    """Whether the issue is only that a template which is wrong itself is not there."""
    tasks, parts = spec.get("tasks"), issue.path.split("/")
    if not isinstance(tasks, Mapping) or len(parts) != 4 or parts[3] != "template":
        return False
    return tasks.get(parts[2], {}).get("template") in bad


def _all_of(problems: list[Problem], files: int) -> ControlRoomError:
    wrong = len({problem.where.rpartition(":")[0] or problem.where for problem in problems})
    what = str(problems[0])
    if len(problems) > 1 or files > 1:
        listed = "".join(f"\n  {problem}" for problem in problems)
        of = f"{wrong} of {files} templates" if files > 1 else "the template"
        what = f"{of} {'is' if wrong == 1 else 'are'} wrong; nothing was applied{listed}"
    errors = [{"where": problem.where, "path": problem.path, "message": problem.message} for problem in problems]
    return ControlRoomError(
        what,
        next_step="correct what is listed and run the same command again",
        exit_code=MISUSE,
        code="invalid_request",
        members={"errors": errors},
    )


def line_of(file: Path, path: str) -> int | None:
    """The line of the YAML file that holds what the pointer names, or of the nearest thing around it."""
    import yaml

    node, line = yaml.compose(file.read_text(encoding="utf-8"), Loader=yaml12.Loader), None
    for part in path.split("/")[1:]:
        found = next(_below(node, part.replace("~1", "/").replace("~0", "~")), None)
        if found is None:
            break
        line, node = found
    return line


def _below(node: Any, part: str) -> Iterator[tuple[int, Any]]:
    import yaml

    if isinstance(node, yaml.MappingNode):
        yield from ((key.start_mark.line + 1, value) for key, value in node.value if key.value == part)
    elif isinstance(node, yaml.SequenceNode) and part.isdecimal() and int(part) < len(node.value):
        yield node.value[int(part)].start_mark.line + 1, node.value[int(part)]
