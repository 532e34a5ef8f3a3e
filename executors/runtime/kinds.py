"""The kinds of executors: each is a module ``executors.<kind>.executor`` with one frozen record named EXECUTOR."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import executors
from executors.runtime.settings import SettingsError


def nothing_to_prepare(job: dict[str, Any]) -> None:
    """Most kinds need nothing beyond the job."""


@dataclass(frozen=True)
class ExecutorKind:
    """What the runtime must know of an engine, without loading it.

    ``child_module`` is started as ``python -m``; ``capabilities()`` gives name -> support level (``full``, ``partial``,
    ``none``) or facts such as versions; ``prepare(job)`` checks or completes the job before the child starts and raises
    TaskError to fail the run (job paths: ``bundle_dir``, ``work_dir``).
    """

    kind: str
    child_module: str
    capabilities: Callable[[], dict[str, Any]]
    prepare: Callable[[dict[str, Any]], None] = nothing_to_prepare


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
    return kind
