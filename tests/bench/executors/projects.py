"""What is executed: a dbt project, a notebook, a Python task. Written out anew for each run of the benchmark."""

from __future__ import annotations

import json

TASK = "import time\n\n\ndef main():\n    return time.time()\n"
PROFILES = """\
bench:
  target: run
  outputs:
    run: {type: duckdb, path: "{{ env_var('BENCH_DATABASE') }}", threads: 2}
"""
PROJECT = """\
name: bench
version: '1.0'
profile: bench
flags: {send_anonymous_usage_stats: false}
models: {bench: {+materialized: table}}
"""
CELLS = (
    "# The day's readings",
    "import json\nimport statistics",
    "readings = [(number * 7919) % 1000 for number in range(200_000)]\nlen(readings)",
    "statistics.fmean(readings), statistics.pstdev(readings)",
    "hours = {}\nfor place, reading in enumerate(readings):\n    hours.setdefault(place % 24, []).append(reading)",
    "print(json.dumps({hour: round(statistics.fmean(found), 2) for hour, found in hours.items()}))",
    "print(f'{day}: {len(hours)} hours')",
)


def dbt_project(models: int) -> dict[str, str]:
    """A seed of 1,000 rows; so many staging tables on it and as many marts on those; two tests for each mart."""
    rows = "\n".join(f"{number},{number % 24},{number * 7919 % 1000}" for number in range(1000))
    files = {"dbt_project.yml": PROJECT, "profiles.yml": PROFILES, "seeds/readings.csv": f"id,hour,value\n{rows}\n"}
    for number in range(models):
        staged = f"select id, hour, value + {number} as value from {{{{ ref('readings') }}}}"
        files[f"models/staging/stg_{number}.sql"] = staged
        mart = f"select hour, count(*) as n, sum(value) as total from {{{{ ref('stg_{number}') }}}} group by hour"
        files[f"models/marts/mart_{number}.sql"] = mart
    marts = [f"  - name: mart_{n}\n    columns:\n{_tested('hour')}" for n in range(models)]
    return files | {"models/marts/schema.yml": "version: 2\nmodels:\n" + "\n".join(marts) + "\n"}


def _tested(column: str) -> str:
    return f"      - name: {column}\n        data_tests: [unique, not_null]"


def notebook() -> str:
    """A notebook of seven cells with a parameter, ``day``."""
    parameters = {"cell_type": "code", "source": "day = 'a day'", "metadata": {"tags": ["parameters"]}}
    code = [{"cell_type": "code", "source": source, "metadata": {}} for source in CELLS[1:]]
    cells = [{"cell_type": "markdown", "source": CELLS[0], "metadata": {}, "id": "0"}]
    for number, cell in enumerate((parameters, *code), 1):
        cells.append({**cell, "id": str(number), "outputs": [], "execution_count": None})  # type: ignore[dict-item]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return json.dumps(
        {"cells": cells, "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}}}
        | {"nbformat": 4, "nbformat_minor": 5}
    )
