"""The conformance workload: what the executor under test has to do with a run that the kit hands out.

A run's `params` say what it is to do, in this order; what is absent is not done:

    lines           int      write this many lines to the log stream `stdout`: `line 1 of 3 – grüße`, `line 2 of 3 – …`
    artifact_bytes  int      upload an artifact `conformance.bin` of this many bytes; byte i is i modulo 251
    sleep_seconds   number   work for so long, writing the line `tick` to `stdout` five times a second; end at once when
                             the run is cancelled or superseded
    fail            string   fail with this failure class (user, external, internal, resources) and code `asked_to_fail`

and then it succeeds with the result `{"lines": …, "artifact_bytes": …}` (0 for what was absent). An executor that runs
Python bundles needs nothing for this: each run names a bundle with the entrypoint `conformance:run`, which does it.
"""

import io
import tarfile
from typing import Any

ARTIFACT = "conformance.bin"
STREAM = "stdout"
FAIL_CODE = "asked_to_fail"
TICK = "tick"
ENTRYPOINT = "conformance:run"

PYTHON_TASK = '''\
"""The conformance workload for executors that run Python bundles."""

import time

from executors.runtime.child import TaskError


def run(context, lines=0, artifact_bytes=0, sleep_seconds=0, fail=None):
    for number in range(1, lines + 1):
        print(f"line {number} of {lines} \\u2013 gr\\u00fc\\u00dfe", flush=True)
    context.metric("lines", lines)
    if artifact_bytes:
        context.artifact("conformance.bin", bytes(i % 251 for i in range(artifact_bytes)))
    end = time.monotonic() + sleep_seconds
    while time.monotonic() < end:
        print("tick", flush=True)
        time.sleep(max(0, min(0.2, end - time.monotonic())))
    if fail:
        raise TaskError(fail, "asked_to_fail", "the conformance kit asked for this")
    return {"lines": lines, "artifact_bytes": artifact_bytes}
'''


def expected_lines(count: int) -> str:
    """The text that `lines` makes."""
    return "".join(f"line {number} of {count} \u2013 gr\u00fc\u00dfe\n" for number in range(1, count + 1))


def expected_bytes(size: int) -> bytes:
    """The bytes that `artifact_bytes` makes."""
    return bytes(index % 251 for index in range(size))


def expected_result(params: dict[str, Any]) -> dict[str, Any]:
    """The result of a run that succeeds."""
    return {name: params.get(name, 0) for name in ("lines", "artifact_bytes")}


def python_bundle() -> bytes:
    """The bundle, the same bytes each time."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as tar:
        data = PYTHON_TASK.encode()
        info = tarfile.TarInfo("conformance.py")
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))
    return target.getvalue()
