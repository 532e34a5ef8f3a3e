"""The process of one python run: loads the entrypoint from the bundle and calls it."""

from __future__ import annotations

import importlib
import runpy
import sys
from collections.abc import Callable, Mapping
from typing import Any

from executors.python.entrypoint import Entrypoint, call_arguments, parse_entrypoint
from executors.runtime.child import Context, TaskError, run_child

Task = Callable[..., Any]


def body(context: Context) -> Any:
    """Call the entrypoint. What it returns is the result; a script has none (or what it leaves in ``result``)."""
    return execute(context, {})


def execute(context: Context, given: Mapping[str, Any]) -> Any:
    """Call the entrypoint with the run's params and what else is ``given`` to it by name."""
    bundle = str(context.bundle_dir)
    sys.path.insert(0, bundle)
    # Stored with the bundle's digest: compiled files beside the sources would change the folder for nothing.
    sys.dont_write_bytecode = True
    entrypoint = parse_entrypoint(context.entrypoint)
    if entrypoint.script:
        return run_script(entrypoint, context, given)
    known = {**context.params, **given}
    positional, named = call_arguments(function := load_function(entrypoint, bundle), context, known)
    return function(*positional, **named)


def run_script(entrypoint: Entrypoint, context: Context, given: Mapping[str, Any]) -> Any:
    """Run a script as ``__main__`` with ``context``, ``params`` and what is given among its globals."""
    path = context.bundle_dir / entrypoint.script if context.bundle_dir else None
    if path is None or not path.is_file():
        raise TaskError("user", "entrypoint_missing", f"the bundle has no file {entrypoint.script}")
    sys.argv = [str(path)]
    found = runpy.run_path(str(path), {"context": context, "params": context.params, **given}, "__main__")
    return found.get("result")


def load_function(entrypoint: Entrypoint, bundle: str) -> Task:
    """Import the function; TaskError when module or function is not in the bundle."""
    try:
        module = importlib.import_module(entrypoint.module)
    except ModuleNotFoundError as error:
        if error.name and (entrypoint.module == error.name or entrypoint.module.startswith(f"{error.name}.")):
            text = (
                f"the bundle has no module {entrypoint.module} (entrypoint {entrypoint.module}:{entrypoint.function})"
            )
            raise TaskError("user", "entrypoint_missing", text) from None
        raise
    if not str(getattr(module, "__file__", None) or "").startswith(f"{bundle}/"):
        text = f"module {entrypoint.module} is not the bundle's own but one of the installation; rename it"
        raise TaskError("user", "entrypoint_outside_bundle", text)
    function = getattr(module, entrypoint.function, None)
    if not callable(function):
        text = f"module {entrypoint.module} has no function {entrypoint.function}"
        raise TaskError("user", "entrypoint_missing", text)
    return function  # type: ignore[no-any-return]


if __name__ == "__main__":
    run_child(body)
