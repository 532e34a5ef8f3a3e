"""Where the CPU of a run goes: Postgres, server, client; which SQL functions, which Python frames."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections import Counter
from pathlib import Path

from tests.bench.queue import cpu, room
from tests.bench.queue.measures import Bench

FUNCTIONS = """select funcname, calls, total_time, self_time from pg_stat_user_functions
 where schemaname = 'ops' and calls > 0 order by self_time desc limit 20"""


def measure(bench: Bench, loops: int, batch: int) -> str:
    """A Markdown section for one shape of load."""
    with bench.server() as server, server.load("exchange", loops=loops, batch=batch, executors=8) as load:
        load.tell("go")
        time.sleep(max(1.0, bench.sizes.warm))
        parts = {
            "Postgres": lambda: cpu.seconds(bench.cluster.pid),
            "server": server.cpu,
            "client": load.cpu,
        }
        with bench.cluster.connect("room") as connection:
            connection.execute("select pg_stat_reset()")
        before = {name: spent() for name, spent in parts.items()}
        (t0, n0), wall = load.sample(), time.monotonic()
        frames = _frames(server, bench.sizes.window, bench.folder)
        time.sleep(max(0.0, bench.sizes.window - (time.monotonic() - wall)))
        (t1, n1), after = load.sample(), {name: spent() for name, spent in parts.items()}
        load.stop()
        time.sleep(1.5)  # the statistics of a backend are told after a second
        with bench.cluster.connect("room") as connection:
            functions = connection.execute(FUNCTIONS).fetchall()  # type: ignore[arg-type]
    runs = n1 - n0
    lines = [f"## {loops} loops, batches of {batch}: {runs / (t1 - t0):,.0f} runs/s", ""]
    lines += ["| CPU | µs a run | cores |", "|---|---|---|"]
    lines += [
        f"| {name} | {1e6 * (after[name] - before[name]) / runs:.1f} | {(after[name] - before[name]) / (t1 - t0):.2f} |"
        for name in parts
    ]
    lines += ["", "| SQL function | calls | total µs a run | self µs a run |", "|---|---|---|---|"]
    lines += [
        f"| {name} | {calls} | {1e3 * float(str(total)) / runs:.1f} | {1e3 * float(str(own)) / runs:.1f} |"
        for name, calls, total, own in functions
    ]
    return "\n".join([*lines, "", *frames, ""])


def _frames(server: room.Server, seconds: float, folder: Path) -> list[str]:
    """Samples of the server by py-spy, where it is installed: share of samples in which a frame was the innermost."""
    program = shutil.which("py-spy")
    if program is None:
        return ["(py-spy is not on PATH: no Python frames)"]
    out = folder / "frames.txt"
    command = [
        program,
        "record",
        "-p",
        str(server.pid),
        "-d",
        str(int(seconds)),
        "-r",
        "200",
        "-f",
        "raw",
        "-o",
        str(out),
    ]
    done = subprocess.run([*command, "--nonblocking"], capture_output=True, text=True)
    if done.returncode != 0:
        return [f"(py-spy: {done.stderr.strip()[-300:]})"]
    own, within, total = Counter[str](), Counter[str](), 0
    for line in out.read_text().splitlines():
        stack, _, count = line.rpartition(" ")
        names = stack.split(";")
        own[names[-1]] += int(count)
        within.update({name: int(count) for name in set(names)})
        total += int(count)
    lines = ["| frame | self % | with callees % |", "|---|---|---|"]
    chosen = [name for name, _ in own.most_common(25)] + [name for name, _ in within.most_common(40)]
    for name in dict.fromkeys(chosen):
        lines.append(f"| {name} | {100 * own[name] / total:.1f} | {100 * within[name] / total:.1f} |")
    return lines
