"""The kinds of executors: each is a module ``executors.<kind>.executor`` with one frozen record named EXECUTOR.

A kind that lives elsewhere is named by its module: ``sqlite.executor``.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import executors
from executors.runtime.earlier import Want
from executors.runtime.engine_gate import no_engine
from executors.runtime.environments import EnvironmentPolicy
from executors.runtime.settings import SettingsError
from executors.runtime.supervise import ChildEnd


def nothing_to_prepare(job: dict[str, Any]) -> None:
    """Most kinds need nothing beyond the job."""


def nothing_to_release(job: Mapping[str, Any]) -> None:
    """Most kinds hold nothing that outlives the child."""


def nothing_to_recover(attempts: Sequence[str]) -> None:
    """So do most kinds here."""


def nothing_earlier(job: dict[str, Any]) -> Sequence[Want]:
    """Most kinds begin anew."""
    return ()


def no_connections() -> dict[str, dict[str, Any]]:
    """Most kinds know no connection but those of the connections file."""
    return {}


def as_told(job: Mapping[str, Any], end: ChildEnd) -> None:
    """Of most kinds the child knows all."""


def no_module(job: Mapping[str, Any]) -> str | None:
    """Most kinds have one way to execute all their runs."""
    return None


@dataclass(frozen=True)
class ExecutorKind:
    """What the runtime must know of an engine, without loading it.

    ``child_module`` is started as ``python -m``; ``capabilities()`` gives name -> support level (``full``, ``partial``,
    ``none``) or facts such as versions, ``publish``: the formats of outputs it knows; ``prepare(job)`` checks or
    completes the job before the child starts and raises TaskError to fail the run (job paths: ``bundle_dir``,
    ``work_dir``); what it puts below ``secrets`` is kept out of all texts of the run and does not reach the child under
    that name.

    ``forked``: children are forked from a process that has ``child_module`` loaded (executors.runtime.forks), and call
    the ``body`` of that module; only for a module that starts no thread and loads nothing that does. ``preloaded``:
    further modules that children will load; ``rests``: they are large, so that process ends when it was idle for long.
    ``warm``: runs are given to processes that are used again (executors.runtime.warm); only for work that is no code of
    the run's author: ``own_module(job)`` names the module of a process of its own for a job that is.
    ``clean_modules``: those of such processes that hold no code of the run's author either (an engine that they start
    may): their word about caps counts. ``explain(job, end)`` may change the error of an attempt's end by what only the
    executor itself sees.
    ``connections()`` gives the kind's own connections by name, beside those of the file; what they hold below names of
    secrets is kept out of all texts. ``configure()`` reads settings of the kind from the environment, before that is
    scrubbed, and returns the record to use. ``engine_usage`` names what the engine measures better than the executor
    does, of runs in warm processes. ``earlier(job)`` names files of earlier attempts that the child can use; it raises
    TaskError as ``prepare`` does, before which it is called. ``secret_files``: files of the kind's own settings that no
    child may read. ``environments``: bundles may bring requirements, which are built by this policy.

    ``keep_seconds``: for kinds whose child runs the author's code in processes of its own (a kernel, a program). When
    a cap is passed or the grace of a cancellation is over, these are killed at once, and the child has so long to keep
    what they left. 0: the child is killed with them. ``release(job)`` ends what a run may have left outside the
    child's tree; called once the tree is gone, however it went. ``recover(attempts)`` does the same for attempts of an
    executor that was killed, before this one claims; each is named ``<run id>-<epoch>``.

    ``tells``: caps that its children tell the use of (``rows_out``, ``written_bytes``), so that the runtime enforces
    them; of other kinds these are the engine's. ``limited_data``: RLIMIT_DATA, too, holds its children to the memory
    cap (executors.runtime.measures); never for a JVM, which reserves what it does not use.

    ``engine_trouble()`` says in a sentence what keeps the kind's own engine from work (it starts, nobody answers), None
    when nothing does; within a few seconds, and raising nothing. While it says something no run is taken. Only for what
    passes by itself: a run that is never taken could not tell its author of a wrong password.
    """

    kind: str
    child_module: str
    capabilities: Callable[[], dict[str, Any]]
    prepare: Callable[[dict[str, Any]], None] = nothing_to_prepare
    warm: bool = False
    forked: bool = False
    preloaded: tuple[str, ...] = ()
    rests: bool = False
    own_module: Callable[[Mapping[str, Any]], str | None] = no_module
    clean_modules: frozenset[str] = frozenset()
    explain: Callable[[Mapping[str, Any], ChildEnd], None] = as_told
    connections: Callable[[], dict[str, dict[str, Any]]] = no_connections
    configure: Callable[[], ExecutorKind] | None = None
    engine_usage: frozenset[str] = frozenset()
    earlier: Callable[[dict[str, Any]], Sequence[Want]] = nothing_earlier
    secret_files: tuple[str, ...] = ()
    environments: EnvironmentPolicy | None = None
    keep_seconds: float = 0.0
    tells: frozenset[str] = frozenset()
    limited_data: bool = False
    release: Callable[[Mapping[str, Any]], None] = nothing_to_release
    recover: Callable[[Sequence[str]], None] = nothing_to_recover
    engine_trouble: Callable[[], str | None] = no_engine


def known_kinds() -> list[str]:
    """Names of the kinds in this installation."""
    return sorted(
        name
        for _, name, is_package in pkgutil.iter_modules(executors.__path__)
        if is_package and importlib.util.find_spec(f"executors.{name}.executor")
    )


def load_kind(name: str) -> ExecutorKind:
    """The record of one kind. SettingsError, naming the known ones, when there is none."""
    kind = elsewhere(name) if "." in name else ours(name)
    return kind.configure() if kind.configure else kind


def ours(name: str) -> ExecutorKind:
    known = known_kinds()
    if name not in known:
        raise SettingsError(f"unknown executor kind {name!r}; known kinds: {', '.join(known)}, or a module of your own")
    try:
        found: ExecutorKind = importlib.import_module(f"executors.{name}.executor").EXECUTOR
    except ImportError as error:
        text = f"the {name} executor cannot start: {error}; pip install 'lakehouse-control-room[{name}]'"
        raise SettingsError(text) from None
    return found


def elsewhere(module: str) -> ExecutorKind:
    try:
        found = getattr(importlib.import_module(module), "EXECUTOR", None)
    except ImportError as error:
        text = f"the executor {module} cannot start: {error}; put the folder that holds it on PYTHONPATH"
        raise SettingsError(text) from None
    if not isinstance(found, ExecutorKind):
        raise SettingsError(f"module {module} has no EXECUTOR of class executors.runtime.kinds.ExecutorKind")
    return found
