"""Media types by name."""

from __future__ import annotations

from pathlib import PurePosixPath

KNOWN = {
    ".ipynb": "application/x-ipynb+json",
    ".parquet": "application/vnd.apache.parquet",
    ".log": "text/plain",
}
UNKNOWN = "application/octet-stream"


def guess_media_type(name: str) -> str:
    """Of a file's name, an object's key or address: by its suffix; octet-stream when unknown."""
    import mimetypes  # reads system files at first use: only when there is something to name

    last = PurePosixPath(name)
    return KNOWN.get(last.suffix) or mimetypes.guess_type(last.name)[0] or UNKNOWN
