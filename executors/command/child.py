"""The process of one command run: starts the program, waits, keeps what it left. None of the author's code is in it."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from executors.command.config import DRILL
from executors.command.container import BUNDLE, WORK, Container, inspect_arguments, remove_arguments, run_arguments
from executors.command.notes import FILE, Follower
from executors.command.order import OUTPUTS
from executors.command.outputs import keep, result_of
from executors.command.verdict import failure
from executors.runtime.child import Cancelled, Context, run_child
from executors.runtime.failures import TaskError
from executors.runtime.memory import oom_kills
from executors.runtime.result import as_result
from executors.runtime.text import Redactor, spellings

TAIL_BYTES = 64 * 1024
SHOWN_CHARACTERS = 8192
READ_BYTES = 64 * 1024
# For what is still in the pipe when the program has ended; a process that it left behind may hold it open.
DRAIN_SECONDS = 1.0
ENGINE_SECONDS = 20.0
NOT_FOR_PROGRAMS = ("PYTHON",)


def body(context: Context) -> Any:
    """Run the program; what it left in outputs/result.json is the result, else ``{"exit_code": …}``."""
    if context.entrypoint == DRILL:
        from executors.command.drill import drill

        return drill(context)
    return execute(context, context.job["command"])


def execute(context: Context, order: Mapping[str, Any]) -> Any:
    """Do an order of :mod:`executors.command.order`. TaskError: the program failed; Cancelled: it was stopped."""
    context.is_cancelled()  # which says that it asks itself: SIGTERM goes to the program, and what it left is kept
    outputs = context.work_dir / OUTPUTS
    outputs.mkdir(exist_ok=True)
    container = Container(**order["container"]) if order["container"] else None
    if context.is_cancelled():
        raise Cancelled("the run was stopped before its program started")
    with Follower(context):
        code, stderr, oom = in_container(context, order, container) if container else on_host(context, order)
    stderr = without_secrets(stderr, order)
    image = container.image if container else None
    error = failure(order["argv"][0], code, order["exit_codes"], stderr, oom=oom, image=image)
    return conclude(context, outputs, code, error)


def without_secrets(stderr: str, order: Mapping[str, Any]) -> str:
    """The end of an output as an error may show it. Where it was cut, half of a secret may stand."""
    secrets = {spelling for name in order["secret_names"] for spelling in spellings(order["env"][name])}
    start = max(map(len, secrets), default=0) if len(stderr.encode()) >= TAIL_BYTES else 0
    return Redactor(secrets).text(stderr)[start:][-SHOWN_CHARACTERS:]


def conclude(context: Context, outputs: Path, code: int, error: TaskError | None) -> Any:
    """Keep what is there, whatever happened; an error of the program stands before one of its files."""
    try:
        keep(context, outputs)
        value = result_of(outputs)
    except TaskError as misfit:
        error, value = error or misfit, None
    if context.is_cancelled():
        raise Cancelled("the program was stopped")
    result = {"exit_code": code} if value is None else as_result(value)
    if error:
        context._control.send("result", value=result)
        raise error
    return result


def on_host(context: Context, order: Mapping[str, Any]) -> tuple[int, str, bool]:
    """(exit code, end of stderr, whether memory ran out) of the program as a process."""
    killed = oom_kills()
    environment = program_environment(context, order["env"])
    code, stderr = run(order["program"], order["argv"], environment, context.work_dir, order["stdin"])
    return code, stderr, oom_kills() > killed


def in_container(context: Context, order: Mapping[str, Any], container: Container) -> tuple[int, str, bool]:
    """The same of a container. It is removed here, and once more by the executor if this process is killed."""
    if not container.user.startswith(f"{os.geteuid()}:"):
        (context.work_dir / OUTPUTS).chmod(0o777)
        (context.work_dir / FILE).touch()
        (context.work_dir / FILE).chmod(0o666)
    env = told(context, WORK, BUNDLE) | order["env"]
    argv = run_arguments(container, order["argv"], env, stdin=order["stdin"] is not None)
    secrets = {name: order["env"][name] for name in order["secret_names"]}
    environment = {**os.environ, **container.client_env, **secrets}
    try:
        code, stderr = run(argv[0], argv, environment, context.work_dir, order["stdin"])
        return code, stderr, ask(inspect_arguments(container), environment) == "true"
    finally:
        ask(remove_arguments(container.client, container.name), environment)


def ask(argv: Sequence[str], environment: Mapping[str, str]) -> str:
    """What a short command of the engine prints; nothing when it fails or takes too long."""
    try:
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=ENGINE_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()


def run(
    program: str, argv: Sequence[str], environment: Mapping[str, str], folder: Path, stdin: str | None
) -> tuple[int, str]:
    """Start a program in this process's group and wait for it. Its stdout is ours; its stderr passes by here."""
    with_input = subprocess.DEVNULL if stdin is None else subprocess.PIPE
    try:
        process = subprocess.Popen(
            argv, executable=program, env=environment, cwd=folder, stdin=with_input, stderr=subprocess.PIPE
        )
    except OSError as error:
        raise not_startable(argv[0], error) from None
    tail = Tail(process.stderr)
    if process.stdin:
        threading.Thread(target=feed, args=(process.stdin, (stdin or "").encode()), daemon=True).start()
    code = process.wait()
    return code, tail.text()


def not_startable(program: str, error: OSError) -> TaskError:
    """The system refused: no interpreter of a script's first line, another processor's program, too many arguments."""
    reason = error.strerror or str(error)
    if isinstance(error, FileNotFoundError):
        reason = "the interpreter that its first line names is not here"
    return TaskError("user", "program_not_startable", f"{program} cannot be started: {reason}")


def feed(pipe: IO[bytes], data: bytes) -> None:
    """A program need not read what it is given."""
    try:
        with pipe:
            pipe.write(data)
    except BrokenPipeError:
        pass


class Tail:
    """Passes a program's stderr on to ours, and keeps its end."""

    def __init__(self, pipe: IO[bytes] | None) -> None:
        self._kept = b""
        self._thread = threading.Thread(target=self._pass_on, args=(pipe,), daemon=True)
        self._thread.start()

    def _pass_on(self, pipe: Any) -> None:
        while data := os.read(pipe.fileno(), READ_BYTES):
            self._kept = (self._kept + data)[-TAIL_BYTES:]
            view = memoryview(data)
            while view:
                view = view[os.write(2, view) :]

    def text(self) -> str:
        """The end of it, once the program has ended."""
        self._thread.join(DRAIN_SECONDS)
        return self._kept.decode("utf-8", "replace")


def program_environment(context: Context, own: Mapping[str, str]) -> dict[str, str]:
    """This process's, which is scrubbed, without what is for Python here; with the run's folders and what it sets."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(NOT_FOR_PROGRAMS)}
    return kept | told(context, str(context.work_dir), str(context.bundle_dir)) | dict(own)


def told(context: Context, work: str, bundle: str) -> dict[str, str]:
    """What every program finds in its environment; folders as it sees them."""
    found = {"CONTROL_ROOM_RUN": context.run_id, "CONTROL_ROOM_EPOCH": str(context.epoch)}
    found |= {"CONTROL_ROOM_OUTPUTS": f"{work}/{OUTPUTS}", "CONTROL_ROOM_NOTES": f"{work}/{FILE}"}
    return found | ({"CONTROL_ROOM_BUNDLE": bundle} if context.bundle_dir else {})


if __name__ == "__main__":
    run_child(body)
