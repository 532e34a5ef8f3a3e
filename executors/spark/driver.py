"""A Spark driver of one run's own (mode isolated): a Connect server on loopback that takes this run alone, with the
run's memory cap as its heap, and ends with it. What it does to itself, another run does not feel.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

from executors.runtime.child import Cancelled, Context
from executors.runtime.failures import TaskError
from executors.spark.config import SparkConfig
from executors.spark.settings import Target

SERVER_CLASS = "org.apache.spark.sql.connect.service.SparkConnectServer"
TOKEN_VARIABLE = "SPARK_CONNECT_AUTHENTICATE_TOKEN"  # noqa: S105 - a name
LOOPBACK = "127.0.0.1"
DEFAULT_HEAP = 1024 * 2**20
LEAST_HEAP = 512 * 2**20  # Spark itself refuses less than 450 MiB
# Of a cap on memory: what the JVM needs beside its heap.
OVERHEAD_SHARE, LEAST_OVERHEAD = 0.2, 256 * 2**20
# Of a machine that is busy, or a master that has no room yet; the wall cap holds meanwhile.
START_SECONDS = 300.0
LOOK_SECONDS = 0.1
END_SECONDS = 3.0
DEATH_SECONDS = 5.0
# -XX:+ExitOnOutOfMemoryError, and Spark's own handler in a task.
OUT_OF_MEMORY = (3, 52)
JAVA_OPTIONS = "-XX:+ExitOnOutOfMemoryError -XX:-UsePerfData"
PR_SET_PDEATHSIG = 1
# What a properties file has a meaning for, or may not hold.
MARKED = re.compile(r"[^!-~]|[\\=:#!]")
TAIL_LINES = 20


def heap_bytes(caps: Mapping[str, Any]) -> int:
    """The driver's heap under a run's caps."""
    if (cap := caps.get("memory_bytes")) is None:
        return DEFAULT_HEAP
    return max(LEAST_HEAP, int(cap) - max(LEAST_OVERHEAD, int(int(cap) * OVERHEAD_SHARE)))


def properties(target: Target, config: SparkConfig, scratch: Path, heap: int, port: int) -> dict[str, str]:
    """All settings of the driver: the executor's, the template's, and over them what makes it this run's own."""
    own = {
        "spark.ui.enabled": "false",
        "spark.connect.grpc.binding.address": LOOPBACK,
        "spark.connect.grpc.binding.port": str(port),
        "spark.connect.progress.reportInterval": "500ms",
    }
    return {**target.properties, **config.conf, **held(target, scratch, heap), **own}


def held(target: Target, scratch: Path, heap: int) -> dict[str, str]:
    """What the platform sets for each process of Spark that is one run's own."""
    own = {
        "spark.master": target.master,
        "spark.driver.memory": f"{heap // 2**20}m",
        "spark.local.dir": str(scratch),
        # Where files are before they are sent to the store: the rest of the disk is not the run's to write on.
        "spark.hadoop.hadoop.tmp.dir": str(scratch),
        "spark.hadoop.fs.s3a.buffer.dir": str(scratch),
        "spark.log.level": "WARN",
    }
    if target.master.startswith("local"):
        own |= {"spark.driver.host": LOOPBACK, "spark.driver.bindAddress": LOOPBACK}
    options = target.properties.get("spark.driver.extraJavaOptions", "")
    java = f"{options} {JAVA_OPTIONS} -Djava.io.tmpdir={scratch}".strip()
    return {**own, "spark.driver.extraJavaOptions": java}


class Driver:
    """A driver at work, and how to reach it."""

    def __init__(self, process: subprocess.Popen[bytes], target: Target, heap: int) -> None:
        self.process, self.target = process, target
        self._heap = heap
        self.tail: list[str] = []
        self.over = False

    def died(self) -> TaskError | None:
        """Why it is no more, when it is; what it was is told by its exit code."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(DEATH_SECONDS)
        if (code := self.process.returncode) is None:
            return None
        if code in OUT_OF_MEMORY:
            text = f"the run's driver ran out of memory (heap {self._heap // 2**20} MiB)"
            text += "; give the run more (caps.memory_bytes), or let it hold less at once"
            return TaskError("resources", "out_of_memory", text, trace="\n".join(self.tail) or None)
        text = f"the run's driver ended with exit code {code}"
        return TaskError("internal", "driver_lost", text, trace="\n".join(self.tail) or None)

    def end(self) -> None:
        """Kill it; may be called from any thread, and again."""
        self.process.kill()

    def usage(self) -> dict[str, float]:
        """What it took so far; nothing once it is gone."""
        with suppress(psutil.Error, OSError):
            times = psutil.Process(self.process.pid).cpu_times()
            status = Path(f"/proc/{self.process.pid}/status").read_text()
            peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
            return {"cpu_seconds": times.user + times.system, "memory_peak_bytes": peak * 1024.0}
        return {}


@contextmanager
def driver(context: Context, config: SparkConfig, target: Target) -> Iterator[Driver]:
    """A driver for the time of a run. TaskError when it does not start, Cancelled when the run is to end before."""
    heap = heap_bytes(context.job.get("caps") or {})
    found = start(context, config, target, heap)
    try:
        threading.Thread(target=tell, args=(found, context), daemon=True).start()
        await_port(context, found)
        yield found
    finally:
        if told := found.usage():
            context.usage(**told)
        found.over = True
        found.end()
        with suppress(subprocess.TimeoutExpired):
            found.process.wait(END_SECONDS)


def start(context: Context, config: SparkConfig, target: Target, heap: int) -> Driver:
    scratch = context.work_dir / ".spark"
    scratch.mkdir(exist_ok=True)
    port, token, home = free_port(), secrets.token_hex(24), spark_home(target)
    written = scratch / "driver.properties"
    written.touch(mode=0o600)
    written.write_text(properties_text(properties(target, config, scratch, heap, port)))
    environment = {
        **os.environ,
        **target.environment,
        "SPARK_HOME": str(home),
        "SPARK_NO_DAEMONIZE": "1",
        "PYSPARK_PYTHON": target.properties.get("spark.pyspark.python", sys.executable),
        TOKEN_VARIABLE: token,
    }
    argv = [str(home / "bin" / "spark-submit"), "--properties-file", str(written)]
    process = subprocess.Popen(
        [*argv, "--class", SERVER_CLASS, "spark-internal"],
        env=environment,
        cwd=scratch,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        preexec_fn=die_with_us,
    )
    return Driver(process, replace(target, remote=f"sc://localhost:{port}", token=token), heap)


def properties_text(settings: Mapping[str, str]) -> str:
    return "".join(f"{escaped(name)}={escaped(value)}\n" for name, value in settings.items())


def escaped(text: str) -> str:
    """A name or value in a file of Java properties: it is read as it was, and ends no line."""
    return MARKED.sub(lambda found: as_units(found[0]), text)


def as_units(text: str) -> str:
    data = text.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{data[at : at + 2].hex()}" for at in range(0, len(data), 2))


def die_with_us() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def tell(found: Driver, context: Context) -> None:
    """What the driver writes, as a stream of the run's log."""
    assert found.process.stderr is not None
    for line in found.process.stderr:
        text = line.decode("utf-8", "replace").rstrip("\n")
        found.tail = [*found.tail, text][-TAIL_LINES:]
        if found.over:
            return
        with suppress(OSError):  # the executor is gone
            context.log(text, "driver")


def await_port(context: Context, found: Driver) -> None:
    port = int(found.target.remote.rpartition(":")[2])
    end = time.monotonic() + START_SECONDS
    while not is_open(port):
        if context._cancelled.is_set():
            raise Cancelled("the run was ended")
        if found.process.poll() is not None:
            raise not_started(found, f"it ended with exit code {found.process.returncode}")
        if time.monotonic() > end:
            raise not_started(found, f"it took no session in {START_SECONDS:g} s")
        time.sleep(LOOK_SECONDS)


def not_started(found: Driver, why: str) -> TaskError:
    said = next((line for line in reversed(found.tail) if line.strip()), "it said nothing")
    text = f"the run's driver (master {found.target.master}) did not start: {why}: {said[:500]}"
    return TaskError("external", "driver_not_started", text, trace="\n".join(found.tail) or None)


def is_open(port: int) -> bool:
    with suppress(OSError), socket.create_connection((LOOPBACK, port), 1):
        return True
    return False


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind((LOOPBACK, 0))
        return int(listening.getsockname()[1])


def spark_home(target: Target) -> Path:
    """The folder of the package pyspark, which is Spark itself, unless the executor's environment names another."""
    if named := target.environment.get("SPARK_HOME"):
        return Path(named)
    spec = importlib.util.find_spec("pyspark")
    if spec is None or spec.origin is None:
        raise TaskError("internal", "spark_missing", "the package pyspark is not installed")
    return Path(spec.origin).parent
