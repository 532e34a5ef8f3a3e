"""Logs of one attempt: cut into chunks keyed (stream, seq, offset), spooled on disk, shipped in order.

The spool lets the child write at full speed while the control room is out of reach; memory holds one chunk per stream.
``offset`` counts the UTF-8 bytes of the text as shipped (after cleaning), so that a gap shows.
"""

from __future__ import annotations

import codecs
import json
import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from contract.errors import ContractError
from executors.runtime.failures import with_place
from executors.runtime.text import Redactor, clean_text

FLUSH_SECONDS = 0.5
BATCH_BYTES = 256 * 1024
BATCH_CHUNKS = 500
SYSTEM_STREAM = "system"
NOTE_BYTES = 1000
STREAM_NAME = re.compile(r"^[A-Za-z][A-Za-z0-9_.-]{0,63}$")

Chunk = dict[str, Any]


class LogStream:
    """One stream's text on its way into chunks. Not thread-safe: its LogBook locks."""

    def __init__(self, name: str, redactor: Redactor) -> None:
        self.name = name
        self.seq = 0
        self.offset = 0
        self._redactor = redactor
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._text = ""

    @property
    def size(self) -> int:
        return len(self._text)

    def decode(self, data: bytes, *, final: bool = False) -> str:
        """The text of the next bytes; the start of a character cut in two waits for its end."""
        return clean_text(self._decoder.decode(data, final))

    def add(self, text: str) -> None:
        self._text += text

    def take(self, limit: int, *, final: bool = False) -> list[Chunk]:
        """Everything that may go now, in chunks of at most ``limit`` bytes; the start of a secret is held back."""
        text = self._redactor.text(self._text)
        held = 0 if final else self._redactor.held_back(text)
        text, self._text = text[: len(text) - held], text[len(text) - held :]
        return [self._chunk(part) for part in split_bytes(text, limit)]

    def _chunk(self, text: str) -> Chunk:
        size = len(text.encode())
        at = datetime.now(UTC).isoformat()
        chunk = {"stream": self.name, "seq": self.seq, "offset": self.offset, "at": at, "text": text}
        self.seq, self.offset = self.seq + 1, self.offset + size
        return chunk


def split_bytes(text: str, limit: int) -> list[str]:
    """Split text so that no part has more than ``limit`` bytes of UTF-8, never inside a character."""
    data = text.encode()
    parts: list[str] = []
    start = 0
    while start < len(data):
        end = min(start + limit, len(data))
        while end < len(data) and data[end] & 0xC0 == 0x80:
            end -= 1
        parts.append(data[start:end].decode())
        start = end
    return parts


class LogBook:
    """Takes the child's output, keeps to ``log_bytes`` (bytes of all streams), writes chunks to the spool.

    The last bytes below the cap are kept back until the end, as room for saying that the log was cut. ``observed`` goes
    on counting what is dropped behind the cap, so that the ledger can say by how much it was passed.
    """

    def __init__(self, spool: Path, chunk_bytes: int, log_bytes: int, redactor: Redactor) -> None:
        self.observed = 0
        self.over = False
        self.spool = spool
        self._limit = log_bytes
        self._room = log_bytes - min(NOTE_BYTES, log_bytes // 2)
        self._kept: list[tuple[LogStream, str]] = []
        self._chunk_bytes = chunk_bytes
        self._redactor = redactor
        self._streams: dict[str, LogStream] = {}
        self._lock = threading.Lock()
        self._file = spool.open("ab", buffering=0)
        self._size = self._file.seek(0, os.SEEK_END)
        self.failure: str | None = None
        self.written = threading.Condition()
        self.closed = False

    def feed(self, stream: str, data: bytes) -> None:
        """Take bytes of a stream; a full chunk is spooled at once, the rest at the next :meth:`flush`."""
        with self._lock:
            target = self._stream(stream)
            self._take(target, target.decode(data))
            if target.size >= self._chunk_bytes:
                self._spool(target.take(self._chunk_bytes))

    def note(self, text: str) -> None:
        """Add a line of the executor itself; not counted against the cap."""
        with self._lock:
            stream = self._stream(SYSTEM_STREAM)
            stream.add(f"{clean_text(text)}\n")
            self._spool(stream.take(self._chunk_bytes))

    def flush(self) -> None:
        with self._lock:
            for stream in self._streams.values():
                self._spool(stream.take(self._chunk_bytes))

    def close(self) -> None:
        """Spool the rest; the shipper ends when it has sent all."""
        with self._lock:
            for stream in self._streams.values():
                self._take(stream, stream.decode(b"", final=True))
            for stream, text in self._kept:
                stream.add(text)
            if self.failure:
                self._stream(SYSTEM_STREAM).add(f"parts of the log are lost: {self.failure}\n")
            for stream in self._streams.values():
                self._spool(stream.take(self._chunk_bytes, final=True))
            self._file.close()
        with self.written:
            self.closed = True
            self.written.notify_all()

    def _stream(self, name: str) -> LogStream:
        name = name if STREAM_NAME.match(name) else "log"
        return self._streams.setdefault(name, LogStream(name, self._redactor))

    def _take(self, stream: LogStream, text: str) -> None:
        """Add text as far as the cap goes."""
        size = len(text.encode())
        room = max(0, self._room - self.observed)
        self.observed += size
        if self.over:
            return
        head = text if size <= room else text.encode()[:room].decode("utf-8", "ignore")
        stream.add(head)
        if rest := text[len(head) :]:
            self._kept.append((stream, rest))
        if self.observed > self._limit:
            self._cut()

    def _cut(self) -> None:
        self.over = True
        stream = self._stream(SYSTEM_STREAM)
        self._kept = []
        stream.add(f"log cut here: cap log_bytes is {self._limit} bytes; later output is dropped\n")
        for each in self._streams.values():
            self._spool(each.take(self._chunk_bytes))

    def _spool(self, chunks: list[Chunk]) -> None:
        if not chunks:
            return
        for chunk in chunks:
            self._append(json.dumps(chunk).encode() + b"\n")
        with self.written:
            self.written.notify_all()

    def _append(self, line: bytes) -> None:
        """Write one line, or nothing of it: the shipper reads whole lines. ``failure`` says why one was dropped."""
        view = memoryview(line)
        try:
            while view:
                view = view[self._file.write(view) :]
            self._size += len(line)
        except OSError as error:
            self.failure = self.failure or with_place(error, self.spool.parent)
            with suppress(OSError):
                self._file.truncate(self._size)
                self._file.seek(self._size)


class LogShipper:
    """Sends spooled chunks in order from a thread of its own.

    ``send(chunks)`` blocks until they are accepted (it retries), and returns False when nobody wants them any more (the
    lease is lost, the executor ends): then the shipper stops.
    """

    def __init__(self, book: LogBook, send: Callable[[list[Chunk]], bool]) -> None:
        self._book = book
        self._send = send
        self._position = 0
        self._thread = threading.Thread(target=self._run, name="log-shipper", daemon=True)
        self._thread.start()

    def join(self) -> None:
        """Wait until all that the closed book holds is accepted or refused for good."""
        self._thread.join()

    def _run(self) -> None:
        while chunks := self._next():
            if not self._send(chunks):
                return

    def _next(self) -> list[Chunk]:
        """The next batch; waits for one, and is empty when the book is closed and all is sent."""
        with self._book.spool.open("rb") as file:
            file.seek(self._position)
            while True:
                with self._book.written:
                    if chunks := self._read(file):
                        return chunks
                    if self._book.closed:
                        return []
                    self._book.written.wait()

    def _read(self, file: BinaryIO) -> list[Chunk]:
        chunks, size = read_batch(file)
        self._position += size
        file.seek(self._position)
        return chunks


def read_batch(file: BinaryIO) -> tuple[list[Chunk], int]:
    """Chunks of at most one request, and the bytes they take in the spool; a line still being written stays."""
    chunks: list[Chunk] = []
    size = 0
    while size < BATCH_BYTES and len(chunks) < BATCH_CHUNKS and (line := file.readline()).endswith(b"\n"):
        size += len(line)
        chunks.append(json.loads(line))
    return chunks, size


def without_conflict(chunks: list[Chunk], error: Exception) -> list[Chunk]:
    """What may still be sent after ``error``: all but the chunk that it says is on record with other text."""
    if not isinstance(error, ContractError) or error.code != "log_conflict":
        return chunks
    place = (error.members.get("stream"), error.members.get("seq"))
    return [chunk for chunk in chunks if (chunk["stream"], chunk["seq"]) != place]


def spooled(spool: Path) -> Iterator[list[Chunk]]:
    """The batches of a spool that nobody writes to any more; none when there is no such file."""
    if spool.is_file():
        with spool.open("rb") as file:
            while chunks := read_batch(file)[0]:
                yield chunks
