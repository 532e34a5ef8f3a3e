"""The conformance kit's workload as a command: a program of ours does it, started like any other. See
:mod:`contract.conformance.workload`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from executors.command.child import execute
from executors.runtime.child import Context
from executors.runtime.failures import TaskError

PROGRAM = Path(__file__).with_name("drill_program.py")


def drill(context: Context) -> Any:
    """Do what the params ask for."""
    argv = [sys.executable, "-I", "-S", str(PROGRAM)]
    order: dict[str, Any] = {
        "program": argv[0],
        "argv": argv,
        "env": {},
        "secret_names": [],
        "exit_codes": [0],
        "container": None,
    }
    try:
        return execute(context, {**order, "stdin": json.dumps(context.params)})
    except TaskError as error:
        if error.code != "exit_code" or not context.params.get("fail"):
            raise
        text = f"the conformance kit asked for this: {error.message}"
        raise TaskError(str(context.params["fail"]), "asked_to_fail", text) from None
