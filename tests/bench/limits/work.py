"""The work that is stopped: each kind of executor busy in some way that never ends by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat

Json = dict[str, Any]
SHELL = str(Path("/bin/sh").resolve())
SCHEMA = "bench_limits"
# As fast as pages can be had; 0.5 s first, so that it stands on record that it works.
PYTHON = """\
import time


def sleep(context):
    time.sleep(3600)


def spin(context):
    while True:
        pass


def eat(context):
    hoard = []
    while True:
        block = bytearray(4_000_000)
        block[::4096] = bytes(len(block[::4096]))
        hoard.append(block)


def talk(context):
    while True:
        print("blah " * 200)


def tell(context):
    for rows in range(0, 10**9, 10):
        context.usage(rows_out=rows)
        time.sleep(0.001)


def keep(context):
    for number in range(100):
        context.artifact(f"{number}.bin", bytes(100_000), "file", "application/octet-stream")


def main(context, do):
    context.progress(0.0, "at work")
    return globals()[do](context)
"""
CELLS = {
    "sleep": "import time\ntime.sleep(3600)",
    "spin": "while True:\n    pass",
    "eat": "hoard = []\nwhile True:\n    block = bytearray(4_000_000)\n"
    "    block[::4096] = bytes(len(block[::4096]))\n    hoard.append(block)",
    "talk": "while True:\n    print('blah ' * 200)",
}
SHELLS = {
    "sleep": "sleep 3600",
    "spin": "while :; do :; done",
    "eat": "head -c 8000000000 /dev/zero | tail -c 8000000000 > /dev/null",
    "talk": "while :; do echo blah blah blah blah blah blah blah blah; done",
}
BUSY = "select count(*) from range({n}) a (i), range(1000000) b (j) where a.i * b.j % 7 = 3"
DUCKDB = {
    "spin": BUSY.format(n=1_000_000),
    "eat": "set max_temp_directory_size = '1MB'; select list(n) from range(2000000000) t (n)",
}
DBT = {
    "spin": DUCKDB["spin"].replace("count(*)", "count(*) as n"),
    "eat": "select list(i) as n from range(2000000000) t (i)",
}
PROFILES = "bench:\n  target: run\n  outputs:\n    run: {type: duckdb, path: bench.duckdb, threads: 2}\n"
PROJECT = """\
name: bench
version: '1.0'
profile: bench
flags: {send_anonymous_usage_stats: false}
models: {bench: {+materialized: table}}
"""
LINES = "tpch.sf1000.lineitem"
TRINO = {
    "spin": f"select count(*) from {LINES} a cross join {LINES} b where a.orderkey + b.orderkey = 1",
    "eat": "select array_agg(comment) from tpch.sf1.lineitem",
    "return": "select * from tpch.sf1.lineitem",
    "scan": f"select count(*), max(comment) from iceberg.{SCHEMA}.orders, unnest(sequence(1, 40))",
}
PREPARE = (
    f"create schema if not exists iceberg.{SCHEMA}; "
    f"create or replace table iceberg.{SCHEMA}.orders as select * from tpch.sf1.orders where orderkey < 300000"
)
SPARK = {
    "spin": "select sum(id % 7) from range(0, 1000000000000, 1, 4)",
    "return": "select id from range(1000000)",
}


@dataclass(frozen=True)
class Work:
    """A template: its spec, the files of its bundle, parameters of a run."""

    spec: Mapping[str, Any]
    files: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)


def work(kind: str, do: str) -> Work:
    """What a run of this kind does."""
    return MAKERS[kind](do)


def _python(do: str) -> Work:
    schema = {"type": "object", "properties": {"do": {"type": "string"}}}
    spec = {"kind": "python", "entrypoint": "task:main", "params_schema": schema}
    return Work(spec, {"task.py": PYTHON}, {"do": do})


def _notebook(do: str) -> Work:
    cells = [nbformat.v4.new_code_cell(source) for source in ("print('at work')", CELLS[do])]
    text = nbformat.writes(nbformat.v4.new_notebook(cells=cells))
    return Work({"kind": "notebook", "entrypoint": "work.ipynb"}, {"work.ipynb": text})


def _command(do: str) -> Work:
    return Work({"kind": "command", "config": {"argv": [SHELL, "-c", f"echo at work; {SHELLS[do]}"]}})


def _duckdb(do: str) -> Work:
    return Work({"kind": "duckdb", "config": {"sql": DUCKDB[do], "parquet": False}})


def _dbt(do: str) -> Work:
    files = {"dbt_project.yml": PROJECT, "profiles.yml": PROFILES, "models/busy.sql": DBT[do]}
    return Work({"kind": "dbt", "entrypoint": ".", "config": {"docs": False, "threads": 2}}, files)


def _trino(do: str) -> Work:
    return Work({"kind": "trino", "config": {"sql": TRINO[do], "read_only": True, "plan": False, "parquet": False}})


def _spark(do: str) -> Work:
    config = {"sql": SPARK[do], "read_only": True, "mode": "connect", "plan": False, "parquet": False}
    return Work({"kind": "spark", "config": config})


MAKERS = {
    "python": _python,
    "notebook": _notebook,
    "command": _command,
    "duckdb": _duckdb,
    "dbt": _dbt,
    "trino": _trino,
    "spark": _spark,
}
