"""What is worth showing of a file that a run leaves, told beside its announcement.

Made by the child, which has the file and may be ended by its own caps; neither the executor nor the server parses what
a run wrote.

A preview has a ``type``: ``table`` (format, columns [{name, type}], rows, page of at most 100 rows, cut), ``image``
(format, width, height), ``html`` (title), ``metrics`` (values), ``archive`` (files [{name, size}], count, bytes),
``json`` and ``text`` (lines). The text itself is read from the store by who shows it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from executors.runtime.preview_image import image_size
from executors.runtime.preview_table import comma_separated, json_lines, parquet
from executors.runtime.text import clean_json

Json = dict[str, Any]
HEAD_BYTES = 64 * 1024
MOST_BYTES = 48 * 1024
COUNTED_BYTES = 64 * 2**20  # of larger files the lines are not counted
NAMES = 200
TITLE_CHARACTERS = 300
DIRECTORY_BYTES = 8 * 2**20


def preview_of(path: Path, name: str, kind: str, media_type: str) -> Json | None:
    """The preview of a file, at most 48 KiB of JSON; None when there is nothing to tell. Raises nothing."""
    try:
        found = _maker(name, kind, media_type)(path)
        return None if found is None else fitting(clean_json(found))
    except Exception:  # whatever a file holds: it is kept all the same
        return None


def fitting(preview: Json) -> Json | None:
    """With as many rows of its page, or names, as 48 KiB hold."""
    while len(json.dumps(preview)) > MOST_BYTES:
        longest = next((name for name in ("page", "files", "values", "columns") if preview.get(name)), None)
        if longest is None:
            return None
        kept = len(preview[longest]) // 2
        parts = preview[longest]
        halved = dict(list(parts.items())[:kept]) if isinstance(parts, dict) else parts[:kept]
        preview = {**preview, longest: halved, "cut": True}
    return preview


def _maker(name: str, kind: str, media_type: str) -> Callable[[Path], Json | None]:
    plain, suffix = media_type.partition(";")[0].strip().lower(), Path(name).suffix.lower()
    if plain == "application/vnd.apache.parquet" or suffix == ".parquet":
        return parquet
    if kind == "metrics":
        return _metrics
    if suffix in (".jsonl", ".ndjson") or plain in ("application/jsonl", "application/x-ndjson"):
        return json_lines
    if plain in ("text/csv", "text/tab-separated-values"):
        return comma_separated
    if plain.startswith("image/"):
        return image_size
    if plain == "text/html":
        return _html
    if plain == "application/json" or plain.endswith("+json"):
        return lambda path: {"type": "json"}
    if plain.startswith("text/") or kind == "log":
        return _text
    return _archive if kind == "model" or plain == "application/zip" else lambda path: None


def head_of(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)


def _text(path: Path) -> Json:
    return {"type": "text", "lines": count_lines(path)}


def count_lines(path: Path) -> int | None:
    """Lines of a file; None of one that is too large to be read for it."""
    if path.stat().st_size > COUNTED_BYTES:
        return None
    count, last = 0, b"\n"
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            count, last = count + block.count(b"\n"), block
    return count + (not last.endswith(b"\n"))


def _metrics(path: Path) -> Json | None:
    if path.stat().st_size > HEAD_BYTES * 16:
        return None
    found = json.loads(path.read_bytes())
    if not isinstance(found, dict):
        return None
    numbers = {
        name: value
        for name, value in found.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    }
    values = dict(list(numbers.items())[:NAMES])
    return {"type": "metrics", "values": values, "cut": len(values) < len(numbers)}


class _Title(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.inside, self.text = False, ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.inside = tag == "title" and not self.text

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag != "title"

    def handle_data(self, data: str) -> None:
        self.text += data if self.inside else ""


def _html(path: Path) -> Json:
    parser = _Title()
    parser.feed(head_of(path).decode("utf-8", "replace"))
    return {"type": "html", "title": " ".join(parser.text.split())[:TITLE_CHARACTERS] or None}


def _archive(path: Path) -> Json | None:
    import zipfile

    if not zipfile.is_zipfile(path) or _directory_bytes(path) > DIRECTORY_BYTES:
        return None
    with zipfile.ZipFile(path) as archive:
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    files = [{"name": entry.filename[:TITLE_CHARACTERS], "size": entry.file_size} for entry in entries[:NAMES]]
    total = sum(entry.file_size for entry in entries)
    return {"type": "archive", "files": files, "count": len(entries), "bytes": total, "cut": len(files) < len(entries)}


def _directory_bytes(path: Path) -> int:
    """Bytes of a zip file's list of files, which its reader takes whole into memory."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - HEAD_BYTES - 22))
        tail = file.read()
    place = tail.rfind(b"PK\x05\x06")
    return int.from_bytes(tail[place + 12 : place + 16], "little") if place >= 0 else 0
