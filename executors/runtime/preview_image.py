"""Width and height of images by their first bytes: PNG, JPEG, GIF, WebP. Nothing is decoded."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, BinaryIO

Json = dict[str, Any]
# Start of frame: all but those of tables (C4, CC) and the one reserved (C8).
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
ALONE = frozenset({0x01, *range(0xD0, 0xD9)})
SEGMENTS = 1000


def image_size(path: Path) -> Json | None:
    """{type, format, width, height}; None for what is none of these, whatever its name."""
    with path.open("rb") as file:
        head = file.read(32)
        for form, magic, read in (
            ("png", b"\x89PNG\r\n\x1a\n", lambda: struct.unpack(">II", head[16:24])),
            ("gif", b"GIF8", lambda: struct.unpack("<HH", head[6:10])),
            ("jpeg", b"\xff\xd8", lambda: _jpeg(file)),
            ("webp", b"RIFF", lambda: _webp(head)),
        ):
            if head.startswith(magic) and (found := read()):
                return {"type": "image", "format": form, "width": found[0], "height": found[1]}
    return None


def _jpeg(file: BinaryIO) -> tuple[int, int] | None:
    file.seek(2)
    for _ in range(SEGMENTS):
        marker = file.read(2)
        if len(marker) < 2 or marker[0] != 0xFF:
            return None
        if marker[1] in ALONE:
            continue
        if marker[1] == 0xFF:  # filling
            file.seek(-1, 1)
            continue
        (length,) = struct.unpack(">H", file.read(2))
        if marker[1] in FRAMES:
            height, width = struct.unpack(">xHH", file.read(5))
            return width, height
        file.seek(length - 2, 1)
    return None


def _webp(head: bytes) -> tuple[int, int] | None:
    if head[8:12] != b"WEBP":
        return None
    form = head[12:16]
    if form == b"VP8 ":
        width, height = struct.unpack("<HH", head[26:30])
        return width & 0x3FFF, height & 0x3FFF
    if form == b"VP8L":
        (bits,) = struct.unpack("<I", head[21:25])
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if form == b"VP8X":
        return int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1
    return None
