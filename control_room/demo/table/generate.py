"""Build the table demo for a user's own file: bundles with the file, and a dbt project whose tests come from its types.

The templates beside this module are data and stay as they are; what depends on the file (its bytes, its columns) goes
into the bundles. ``generate`` writes a folder that ``control-room templates apply`` takes as it is.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml

HERE = Path(__file__).parent
PARQUET = {".parquet", ".pq"}
MAX_PLOTTED_COLUMNS = 40


class InputFileError(ValueError):
    """The user's file cannot be used; the message says why and what to do."""


@dataclass(frozen=True)
class Column:
    """A column of the user's table: its plain name, what decides its tests, and its heading in the file."""

    name: str
    group: str
    heading: str

    @property
    def heading_sql(self) -> str:
        """The heading as a SQL text that dbt does not take for a template."""
        return "'" + self.heading.replace("'", "''").replace("{", "(").replace("}", ")").replace("\n", " ")[:200] + "'"


@dataclass(frozen=True)
class GeneratedDemo:
    """A folder of templates and bundles, and the pipeline's parameters.

    folder: holds pipeline.yaml, ingest.yaml, transform.yaml and report.yaml with their bundles.
    template: the pipeline's name, one per table, so that a later table never changes what this name runs.
    params: the pipeline's parameters.
    rows, columns: of the user's table, as read.
    """

    folder: Path
    template: str
    params: dict[str, str]
    rows: int
    columns: int


def generate(source: Path, folder: Path) -> GeneratedDemo:
    """Write the demo for `source` (CSV or Parquet) into `folder`. Raises InputFileError with what to do."""
    reader = _reader()
    try:
        table, headings = reader.read(source)
    except reader.UnreadableInputError as error:
        raise InputFileError(str(error)) from error
    name = table_name(reader.plain(source.stem))
    template = f"table-{name.replace('_', '-')}"
    copy_templates(folder, template)
    suffix = ".parquet" if source.suffix.lower() in PARQUET else ".csv"
    shutil.copyfile(source, folder / "ingest" / f"input{suffix}")
    columns = [
        Column(f.name, type_group(str(f.type)), heading) for f, heading in zip(table.schema, headings, strict=True)
    ]
    write_project(folder / "transform", columns)
    params = {"table_name": name, "source_name": source.name}
    return GeneratedDemo(folder, template, params, table.num_rows, table.num_columns)


def copy_templates(folder: Path, template: str) -> None:
    """Copy templates and bundles, named after the table."""
    leave = shutil.ignore_patterns("*.py[co]", "__pycache__", "generate.py", "__init__.py")
    shutil.copytree(HERE, folder, dirs_exist_ok=True, ignore=leave)
    for file in folder.glob("*.yaml"):
        file.write_text(file.read_text(encoding="utf-8").replace("table-demo", template), encoding="utf-8")


def table_name(plain: str) -> str:
    """Return the table's name in the lakehouse, from the file's name in plain letters; at most 50 of them."""
    name = plain or "table"
    return (name if name[0].isalpha() else f"t_{name}")[:50].rstrip("_")


def type_group(arrow_type: str) -> str:
    """Sort an Arrow type into what decides its tests: number, decimal, time, text, truth or other."""
    if re.match(r"u?int\d+$", arrow_type) or arrow_type.startswith("decimal"):
        return "number"
    if arrow_type in {"float", "double", "halffloat"}:
        return "real"
    if arrow_type.startswith(("timestamp", "date")):
        return "time"
    if arrow_type in {"string", "large_string", "string_view"}:
        return "text"
    return "truth" if arrow_type == "bool" else "other"


def write_project(project: Path, columns: list[Column]) -> None:
    """Write the dbt project: one silver model, three gold models, and the tests that the types ask for."""
    files = {
        "dbt_project.yml": yaml.safe_dump(PROJECT, sort_keys=False),
        "models/silver_table.sql": silver_sql(columns),
        "models/gold_profile.sql": union(profile_sql(column) for column in columns),
        "models/gold_top_values.sql": union(
            [
                EMPTY_TOP_VALUES,
                *(top_values_sql(c.name) for c in columns[:MAX_PLOTTED_COLUMNS] if c.group in {"text", "truth"}),
            ]
        ),
        "models/gold_histogram.sql": union(
            [
                EMPTY_HISTOGRAM,
                *(histogram_sql(c.name) for c in columns[:MAX_PLOTTED_COLUMNS] if c.group in {"number", "real"}),
            ]
        ),
        "models/schema.yml": yaml.safe_dump(schema(columns), sort_keys=False),
        "tests/silver_holds_every_row.sql": EVERY_ROW,
        "tests/no_identical_rows.sql": IDENTICAL_ROWS,
    }
    files |= {f"tests/{name}.sql": text for name, text in type_tests(columns).items()}
    for name, text in files.items():
        target = project / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")


def silver_sql(columns: list[Column]) -> str:
    """Select every column; text loses blanks at its ends and is null when nothing is left."""
    lines = [
        f"""    nullif(trim("{n}"), '') as "{n}\"""" if group == "text" else f'    "{n}"'
        for n, group in ((c.name, c.group) for c in columns)
    ]
    return "select\n" + ",\n".join(lines) + "\nfrom {{ source('inputs', 'table') }}\n"


def profile_sql(column: Column) -> str:
    """Select one row: the column's counts and its smallest, largest and mean value."""
    name, group = column.name, column.group
    ordered, counted = group in {"number", "real", "time", "text"}, group in {"number", "real"}
    return f"""select
    '{name}' as column_name,
    {column.heading_sql} as heading,
    '{group}' as type_group,
    count(*) as row_count,
    count(*) - count("{name}") as null_count,
    {f'count(distinct "{name}")' if group != "other" else "null::bigint"} as distinct_count,
    {f'min("{name}")' if ordered else "null"}::varchar as min_value,
    {f'max("{name}")' if ordered else "null"}::varchar as max_value,
    {f'avg("{name}")' if counted else "null"}::double as mean_value
from {{{{ ref('silver_table') }}}}"""


def top_values_sql(name: str) -> str:
    """Select the ten most frequent values of a text column."""
    return f"""(
    select '{name}' as column_name, "{name}"::varchar as top_value, count(*) as occurrences
    from {{{{ ref('silver_table') }}}}
    where "{name}" is not null
    group by all
    order by occurrences desc, top_value
    limit 10
)"""


def histogram_sql(name: str) -> str:
    """Select twenty equal bins between the smallest and the largest finite value."""
    return f"""(
    with v as (
        select "{name}"::double as x
        from {{{{ ref('silver_table') }}}}
        where "{name}" is not null and isfinite("{name}"::double)
    ),
    b as (select min(x) as lo, max(x) as hi from v),
    binned as (
        select lo, hi, case when hi > lo then least(19, floor((x - lo) / (hi - lo) * 20)) else 0 end as bin
        from v cross join b
    )
    select
        '{name}' as column_name,
        lo + bin * (hi - lo) / 20 as bin_start,
        lo + (bin + 1) * (hi - lo) / 20 as bin_end,
        count(*) as occurrences
    from binned group by lo, hi, bin order by bin
)"""


def schema(columns: list[Column]) -> dict[str, Any]:
    """Return schema.yml: a key column must be present and unique, a truth value is true or false."""
    tested = []
    for column in columns:
        name, group = column.name, column.group
        tests: list[Any] = ["not_null", "unique"] if is_key(name, group) else []
        if group == "truth":
            tests.append({"accepted_values": {"arguments": {"values": [True, False], "quote": False}}})
        if tests:
            tested.append({"name": name, "quote": True, "data_tests": tests})
    profile = [
        {"name": "column_name", "data_tests": ["not_null", "unique"]},
        {"name": "row_count", "data_tests": ["not_null"]},
    ]
    return {
        "version": 2,
        "sources": [{"name": "inputs", "tables": [{"name": "table"}]}],
        "models": [{"name": "silver_table", "columns": tested}, {"name": "gold_profile", "columns": profile}],
    }


def is_key(name: str, group: str) -> bool:
    """Say whether a column names the row: exactly `id`, `key`, `uuid` or `row_id`."""
    return name in {"id", "key", "uuid", "row_id"} and group in {"number", "text"}


def type_tests(columns: list[Column]) -> dict[str, str]:
    """Return singular tests by name. They warn and do not fail: the data is the user's and may be right."""
    tests = {}
    for column in columns:
        name, group = column.name, column.group
        if group == "real":
            tests[f"{name}_is_finite"] = warn(f'"{name}" is not null and not isfinite("{name}"::double)')
        if group == "time":
            tests[f"{name}_is_plausible"] = warn(f"\"{name}\" < '1900-01-01' or \"{name}\" > '2100-01-01'")
        if group in {"text", "number", "real", "time"}:
            tests[f"{name}_is_mostly_present"] = warn(
                f'"{name}" is null', "having count(*) * 2 > (select count(*) from {{ ref('silver_table') }})"
            )
    return tests


def warn(condition: str, having: str = "") -> str:
    """Return a singular test that warns about the rows meeting `condition`."""
    rows = f"select count(*) as offending_rows from {{{{ ref('silver_table') }}}} where {condition}"
    return "{{ config(severity='warn') }}\n" + rows + f" {having or 'having count(*) > 0'}\n"


def union(selects: Any) -> str:
    """Join selects of one shape."""
    return "\nunion all\n".join(selects) + "\n"


def _reader() -> ModuleType:
    """Load the reader that also travels in the ingest bundle: both must see the same names and types."""
    spec = importlib.util.spec_from_file_location("table_demo_reader", HERE / "ingest" / "read_table.py")
    if spec is None or spec.loader is None:
        raise RuntimeError(f"{HERE / 'ingest' / 'read_table.py'} is missing: install the package again")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PROJECT = {
    "name": "table_demo",
    "version": "1.0.0",
    "config-version": 2,
    "profile": "control_room",
    "model-paths": ["models"],
    "test-paths": ["tests"],
    "models": {"table_demo": {"+materialized": "table"}},
}
EMPTY_TOP_VALUES = """select null::varchar as column_name, null::varchar as top_value, null::bigint as occurrences
where false"""
EMPTY_HISTOGRAM = """select
    null::varchar as column_name, null::double as bin_start, null::double as bin_end, null::bigint as occurrences
where false"""
EVERY_ROW = """-- No row may be lost or made between bronze and silver.
select s.n as silver_rows, b.n as bronze_rows
from (select count(*) as n from {{ ref('silver_table') }}) as s
cross join (select count(*) as n from {{ source('inputs', 'table') }}) as b
where s.n <> b.n
"""
IDENTICAL_ROWS = """{{ config(severity='warn') }}
-- Rows that are equal in every column are often one row loaded twice.
select count(*) as identical_rows
from (select * from {{ ref('silver_table') }} group by all having count(*) > 1)
having count(*) > 0
"""
