"""What an entrypoint of the python executor names: ``module:function`` or ``script.py``."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from executors.runtime.failures import TaskError

FUNCTION = re.compile(r"^(?P<module>[A-Za-z_]\w*(\.[A-Za-z_]\w*)*):(?P<function>[A-Za-z_]\w*)$")


@dataclass(frozen=True)
class Entrypoint:
    """Either ``module`` and ``function``, or ``script`` (path inside the bundle)."""

    module: str = ""
    function: str = ""
    script: str = ""


def parse_entrypoint(text: str) -> Entrypoint:
    """Read an entrypoint. TaskError (user, entrypoint_invalid) when it is neither form."""
    if found := FUNCTION.match(text):
        return Entrypoint(found["module"], found["function"])
    if text.endswith(".py") and ":" not in text:
        return Entrypoint(script=text)
    raise TaskError("user", "entrypoint_invalid", f"entrypoint {text!r} is neither module:function nor script.py")


def call_arguments(
    function: Callable[..., Any], context: Any, params: Mapping[str, Any]
) -> tuple[list[Any], dict[str, Any]]:
    """How to call a task: with the context, with params by name, or both, as its signature asks.

    ``def main(context)``: the context. ``def main(year, month=1)``: params of these names. ``def main(context, year)``:
    both. ``def main(context, **params)`` and ``def main(**params)``: all params. ``def main()``: nothing.
    TaskError (user, params_missing) when a parameter without default has no param of its name.
    """
    positional: list[Any] = []
    named: dict[str, Any] = {}
    parameters = list(inspect.signature(function).parameters.values())
    if parameters and wants_context(parameters, params):
        positional.append(context)
        parameters = parameters[1:]
    for parameter in parameters:
        if parameter.kind is parameter.VAR_KEYWORD:
            named |= {name: value for name, value in params.items() if name not in named}
        elif parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            if parameter.name in params:
                named[parameter.name] = params[parameter.name]
            elif parameter.default is parameter.empty:
                text = f"the task wants a parameter {parameter.name!r}, which is not among the run's params"
                raise TaskError("user", "params_missing", text)
    return positional, named


def wants_context(parameters: list[inspect.Parameter], params: Mapping[str, Any]) -> bool:
    """The first parameter is the context when it is named so, or is the only name that no param has."""
    first = parameters[0]
    if first.kind not in (first.POSITIONAL_ONLY, first.POSITIONAL_OR_KEYWORD):
        return False
    if first.name in ("context", "ctx"):
        return True
    return first.name not in params and first.default is first.empty
