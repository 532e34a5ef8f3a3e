"""The kinds of executors: each is a module ``executors.<kind>.executor`` with one frozen record named EXECUTOR."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import executors
from executors.runtime.settings import SettingsError


def nothing_to_prepare(job: dict[str, Any]) -> None:
    """Most kinds need nothing beyond the job."""


def no_connections() -> dict[str, dict[str, Any]]:
    """Most kinds know no connection but those of the connections file."""
    return {}


def no_module(job: Mapping[str, Any]) -> str | None:
    """Most kinds have one way to execute all their runs."""
    return None


@dataclass(frozen=True)
class ExecutorKind:
    """What the runtime must know of an engine, without loading it.

    ``child_module`` is started as ``python -m``; ``capabilities()`` gives name -> support level (``full``, ``partial``,
    ``none``) or facts such as versions; ``prepare(job)`` checks or completes the job before the child starts and raises
    TaskError to fail the run (job paths: ``bundle_dir``, ``work_dir``).

    ``warm``: runs are given to processes that are used again (executors.runtime.warm); only for work that is no code of
    the run's author: ``own_module(job)`` names the module of a process of its own for a job that is.
    ``connections()`` gives the kind's own connections by name, beside those of the file; what they hold below names of
    secrets is kept out of all texts. ``configure()`` reads settings of the kind from the environment, before that is
    scrubbed, and returns the record to use. ``engine_usage`` names what the engine measures better than the executor
    does, of runs in warm processes.
    """

    kind: str
    child_module: str
    capabilities: Callable[[], dict[str, Any]]
    prepare: Callable[[dict[str, Any]], None] = nothing_to_prepare
    warm: bool = False
    own_module: Callable[[Mapping[str, Any]], str | None] = no_module
    connections: Callable[[], dict[str, dict[str, Any]]] = no_connections
    configure: Callable[[], ExecutorKind] | None = None
    engine_usage: frozenset[str] = frozenset()


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
