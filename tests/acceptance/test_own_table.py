"""`control-room demo --input FILE`: the user's own table through the same shape."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from tests.conftest import DemoRun

CSV = """Meter ID,Reading kWh,Read On,Estimated,Tariff
7001,12.5,2026-01-03,false,night
7002,,2026-01-03,true,day
7003,98.25,2026-01-04,false, day
7004,41,2026-01-05,false,NA
"""


GERMAN = """Zähler-Nr.;Straße;Stand kWh;Kunde;Stand kWh
00100001;Hauptstraße 5;1234,5;12345678901234567890;1
00100002;Gartenweg;n/a;12345678901234567891;2
"""


def bronze(demo: DemoRun, name: str) -> pa.Table:
    uri = f"{demo.stack.connection()['root']}/tables/{name}/bronze"
    return DeltaTable(uri, storage_options=demo.stack.storage_options()).to_pyarrow_table()


def test_a_csv_becomes_a_published_table_with_generated_tests_and_a_report(demo: DemoRun, tmp_path: Path) -> None:
    source = tmp_path / "Meter readings 2026.csv"
    source.write_text(CSV)
    summary = json.loads(demo.stack.run("demo", "--input", str(source), "--json").stdout)
    assert summary["run"]["state"] == "succeeded"
    table = bronze(demo, "meter_readings_2026")
    assert table.column_names == ["meter_id", "reading_kwh", "read_on", "estimated", "tariff"]
    assert table["reading_kwh"].to_pylist() == [12.5, None, 98.25, 41.0]
    nodes = demo.stack.runs(str(summary["run"]["number"]))["transform"]["result"]["nodes"]
    assert {"silver_holds_every_row", "reading_kwh_is_finite", "read_on_is_plausible"} <= {n["name"] for n in nodes}
    assert "Meter readings 2026.csv" in Path(summary["report"]["path"]).read_text(encoding="utf-8")


def test_a_german_file_keeps_its_leading_zeros_its_long_numbers_and_the_sense_of_its_headings(
    demo: DemoRun, tmp_path: Path
) -> None:
    source = tmp_path / "Zählerstände.csv"
    source.write_text(GERMAN, encoding="utf-8")
    summary = json.loads(demo.stack.run("demo", "--input", str(source), "--json").stdout)
    assert summary["run"]["template_name"] == "table-zaehlerstaende"
    table = bronze(demo, "zaehlerstaende")
    assert table.column_names == ["zaehler_nr", "strasse", "stand_kwh", "kunde", "stand_kwh_2"]
    assert table["zaehler_nr"].to_pylist() == ["00100001", "00100002"]
    assert table["kunde"].to_pylist() == ["12345678901234567890", "12345678901234567891"]
    assert table["stand_kwh"].to_pylist() == [1234.5, None]
    report = Path(summary["report"]["path"]).read_text(encoding="utf-8")
    assert "Zähler-Nr." in report
    assert "import matplotlib" not in report


def test_a_parquet_file_with_types_of_its_own_keeps_them(demo: DemoRun, tmp_path: Path) -> None:
    source = tmp_path / "typed.parquet"
    columns = {
        "id": pa.array([1, 2, 3], pa.uint32()),
        "amount": pa.array([10, 20, 30], pa.decimal128(12, 2)),
        "day": pa.array([date(2026, 1, 1)] * 3, pa.date32()),
        "kind": pa.array(["a", "b", "a"]).dictionary_encode(),
        "nothing": pa.nulls(3),
    }
    pq.write_table(pa.table(columns), source)
    summary = json.loads(demo.stack.run("demo", "--input", str(source), "--json").stdout)
    assert summary["run"]["state"] == "succeeded"
    table = bronze(demo, "typed")
    assert table.num_rows == 3
    assert pa.types.is_decimal(table.schema.field("amount").type)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("missing.csv", None, "there is no such file"),
        ("empty.csv", b"", "empty"),
        ("only-heading.csv", b"a,b\n", "empty"),
        ("ragged.csv", b"a,b\n1,2\n3\n", "not readable as CSV"),
        ("broken.csv", b"a,b\n\xff\xfe,2\n", "UTF-8"),
        ("not.parquet", b"PAR0 nothing", "not readable as Parquet"),
    ],
)
def test_a_file_that_is_no_table_is_refused_with_the_reason_and_without_a_traceback(
    demo: DemoRun, tmp_path: Path, name: str, content: bytes | None, words: str
) -> None:
    source = tmp_path / name
    if content is not None:
        source.write_bytes(content)
    done = demo.stack.run("demo", "--input", str(source), check=False)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr + done.stdout
