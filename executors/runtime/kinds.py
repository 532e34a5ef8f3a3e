"""The kinds of executors: each is a module ``executors.<kind>.executor`` with one frozen record named EXECUTOR."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import executors
from executors.runtime.earlier import Want
from executors.runtime.environments import EnvironmentPolicy
from executors.runtime.settings import SettingsError


def nothing_to_prepare(job: dict[str, Any]) -> None:
    """Most kinds need nothing beyond the job."""


def nothing_earlier(job: dict[str, Any]) -> Sequence[Want]:
    """Most kinds begin anew."""
    return ()


def no_connections() -> dict[str, dict[str, Any]]:
    """Most kinds know no connection but those of the connections file."""
    return {}


@dataclass(frozen=True)
class ExecutorKind:
    """What the runtime must know of an engine, without loading it.

    ``child_module`` is started as ``python -m``; ``capabilities()`` gives name -> support level (``full``, ``partial``,
    ``none``) or facts such as versions; ``prepare(job)`` checks or completes the job before the child starts and raises
    TaskError to fail the run (job paths: ``bundle_dir``, ``work_dir``).

    ``forked``: children are forked from a process that has ``child_module`` loaded (executors.runtime.forks), and call
    the ``body`` of that module; only for a module that starts no thread and loads nothing that does.
    ``warm``: runs are given to processes that are used again (executors.runtime.warm); only for work that is no code of
    the run's author. ``connections()`` gives the kind's own connections by name, beside those of the file; what they
    hold below names of secrets is kept out of all texts. ``configure()`` reads settings of the kind from the
    environment, before that is scrubbed, and returns the record to use. ``engine_usage`` names what the engine measures
    better than the executor does. ``earlier(job)`` names files of earlier attempts that the child can use; it raises
    TaskError as ``prepare`` does, before which it is called. ``secret_files``: files of the kind's own settings that no
    child may read.
    ``environments``: bundles may bring requirements, which are built by this policy.
    """

    kind: str
    child_module: str
    capabilities: Callable[[], dict[str, Any]]
    prepare: Callable[[dict[str, Any]], None] = nothing_to_prepare
    warm: bool = False
    forked: bool = False
    connections: Callable[[], dict[str, dict[str, Any]]] = no_connections
    configure: Callable[[], ExecutorKind] | None = None
    engine_usage: frozenset[str] = frozenset()
    earlier: Callable[[dict[str, Any]], Sequence[Want]] = nothing_earlier
    secret_files: tuple[str, ...] = ()
    environments: EnvironmentPolicy | None = None


def known_kinds() -> list[str]:
    """Names of the kinds in this installation."""
    return sorted(
        name
        for _, name, is_package in pkgutil.iter_modules(executors.__path__)
        if is_package and importlib.util.find_spec(f"executors.{name}.executor")
    )


def load_kind(name: str) -> ExecutorKind:
    """The record of one kind. SettingsError, naming the known ones, when there is none."""
    known = known_kinds()
    if name not in known:
        raise SettingsError(f"unknown executor kind {name!r}; known kinds: {', '.join(known)}")
    try:
        module = importlib.import_module(f"executors.{name}.executor")
    except ImportError as error:
        text = f"the {name} executor cannot start: {error}; pip install 'lakehouse-control-room[{name}]'"
        raise SettingsError(text) from None
    kind: ExecutorKind = module.EXECUTOR
    return kind.configure() if kind.configure else kind
