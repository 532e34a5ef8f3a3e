"""What a run tells of the files that it leaves: bounded, whatever they hold."""

from __future__ import annotations

import base64
import io
import json
import random
import struct
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from executors.runtime.preview import MOST_BYTES, preview_of

Json = dict[str, Any]
# One pixel, as common programs write it.
GIF = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
WEBP = base64.b64decode("UklGRiIAAABXRUJQVlA4IBYAAAAwAQCdASoBAAEADsD+JaQAA3AAAAAA")
PNG = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 640, 480) + b"\x08\x02\x00\x00\x00"
JPEG = (
    b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(10) + b"\xff\xff\xc0\x00\x11\x08" + struct.pack(">HH", 480, 640) + bytes(10)
)


def told(folder: Path, name: str, data: bytes, kind: str = "file", media_type: str = "application/octet-stream") -> Any:
    path = folder / "staged"
    path.write_bytes(data)
    return preview_of(path, name, kind, media_type)


def parquet_of(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def test_a_parquet_file_tells_schema_rows_and_its_first_page(tmp_path: Path) -> None:
    table = pa.table({"carrier": ["UA", None] * 500, "delay": pa.array(range(1000), pa.int64()), "when": [b"x"] * 1000})
    found = told(tmp_path, "delays.parquet", parquet_of(table))
    assert (found["type"], found["format"], found["rows"]) == ("table", "parquet", 1000)
    assert found["columns"][:2] == [{"name": "carrier", "type": "string"}, {"name": "delay", "type": "int64"}]
    assert len(found["page"]) == 100
    assert found["page"][1] == [None, 1, "78"]


def test_a_csv_file_tells_its_columns_and_counts_its_rows(tmp_path: Path) -> None:
    rows = "\n".join(f'{n};"a ; b\nc"' for n in range(5000))
    found = told(tmp_path, "x.csv", f"id;text\n{rows}\n".encode(), media_type="text/csv")
    assert [column["name"] for column in found["columns"]] == ["id", "text"]
    assert (found["rows"], found["page"][99], found["cut"]) == (5000, ["99", "a ; b\nc"], True)


def test_json_lines_tell_the_members_of_their_objects(tmp_path: Path) -> None:
    lines = '{"a": 1, "b": [1, 2]}\n\n{"a": 2.5, "c": null}\n'
    found = told(tmp_path, "x.jsonl", lines.encode())
    assert found["columns"] == [
        {"name": "a", "type": "number"},
        {"name": "b", "type": "list"},
        {"name": "c", "type": "any"},
    ]
    assert (found["rows"], found["page"], found["cut"]) == (2, [[1, "[1, 2]", None], [2.5, None, None]], False)


@pytest.mark.parametrize(
    ("data", "form", "size"),
    [(PNG, "png", (640, 480)), (JPEG, "jpeg", (640, 480)), (GIF, "gif", (1, 1)), (WEBP, "webp", (1, 1))],
)
def test_an_image_tells_its_size(tmp_path: Path, data: bytes, form: str, size: tuple[int, int]) -> None:
    found = told(tmp_path, "x", data, media_type="image/whatever")
    assert found == {"type": "image", "format": form, "width": size[0], "height": size[1]}


def test_a_page_tells_its_title_and_a_log_its_lines(tmp_path: Path) -> None:
    page = b"<html><head><TITLE>\n Delays &amp; more </TITLE></head><script>document.title='no'</script>"
    assert told(tmp_path, "r.html", page, "report", "text/html") == {"type": "html", "title": "Delays & more"}
    assert told(tmp_path, "x.log", b"a\nb\nc", "log") == {"type": "text", "lines": 3}
    assert told(tmp_path, "x.txt", b"", media_type="text/plain; charset=utf-8") == {"type": "text", "lines": 0}


def test_metrics_tell_their_numbers_and_a_model_its_files(tmp_path: Path) -> None:
    metrics = {"loss": 0.25, "epochs": 3, "name": "x", "good": True, "far": 1e400}
    assert told(tmp_path, "m.json", json.dumps(metrics).encode(), "metrics")["values"] == {"loss": 0.25, "epochs": 3}
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("weights.bin", bytes(1000))
        archive.writestr("config.json", "{}")
    found = told(tmp_path, "model.zip", sink.getvalue(), "model")
    assert (found["count"], found["bytes"]) == (2, 1002)
    assert found["files"][0] == {"name": "weights.bin", "size": 1000}


def test_of_other_files_nothing_is_told(tmp_path: Path) -> None:
    assert told(tmp_path, "x.bin", b"\x00\x01") is None


def test_a_preview_is_small_whatever_is_in_the_file(tmp_path: Path) -> None:
    wide = pa.table({f"column {n} {'x' * 500}": ["y" * 10_000] * 200 for n in range(300)})
    csv = ",".join(f"c{n}" for n in range(5000)) + "\n" + ("z" * 100_000 + ",") * 20
    lines = "\n".join(json.dumps({f"k{n}-{m}": "v" * 500 for m in range(50)}) for n in range(100))
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for n in range(2000):
            archive.writestr(f"{n}/{'n' * 200}", b"")
    for name, data, kind, media_type in (
        ("x.parquet", parquet_of(wide), "file", ""),
        ("x.csv", csv.encode(), "file", "text/csv"),
        ("x.jsonl", lines.encode(), "file", ""),
        ("x.zip", sink.getvalue(), "model", "application/zip"),
        ("x.html", b"<title>" + b"t" * 60_000, "report", "text/html"),
        ("x.json", json.dumps({f"m{n}" * 100: n for n in range(1000)}).encode(), "metrics", ""),
    ):
        found = told(tmp_path, name, data, kind, media_type)
        assert found is not None, name
        assert len(json.dumps(found)) <= MOST_BYTES, name


def test_a_file_that_is_not_what_it_says_is_kept_without_a_preview(tmp_path: Path) -> None:
    """10,000 broken files: each is told of or not, and nothing is raised."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr("a", b"b")
    good = {
        "x.parquet": parquet_of(pa.table({"a": [1, 2, 3]})),
        "x.csv": b"a,b\n1,2\n",
        "x.jsonl": b'{"a": 1}\n',
        "x.zip": sink.getvalue(),
        "x.png": PNG,
        "x.jpg": JPEG,
        "x.gif": GIF,
        "x.webp": WEBP,
        "x.html": b"<title>x</title>",
        "x.json": b'{"a": 1}',
    }
    media = {".csv": "text/csv", ".html": "text/html", ".json": "application/json", ".zip": "application/zip"}
    chance = random.Random(11)
    for turn in range(10_000):
        name = chance.choice(sorted(good))
        data = bytearray(good[name])
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        broken = bytes(data[: chance.randint(0, len(data))] if chance.random() < 0.3 else data)
        media_type = media.get(
            Path(name).suffix, "image/x" if Path(name).suffix[1:] in ("png", "jpg", "gif", "webp") else ""
        )
        kind = chance.choice(["file", "model", "metrics", "log"])
        found = told(tmp_path, name, broken, kind, media_type)
        assert found is None or len(json.dumps(found)) <= MOST_BYTES, (turn, name)
