"""Logs of one attempt: cut into chunks keyed (stream, seq, offset), spooled on disk, shipped in order.

The spool lets the child write at full speed while the control room is out of reach; memory holds one chunk per stream.
``offset`` counts the UTF-8 bytes of the text as shipped (after cleaning), so that a gap shows.
``at`` is when the first byte of a chunk was read. Streams share one clock that never stands still, and a chunk ends
where another stream writes, so that chunks sorted by ``at`` tell what was written in what order.
"""

from __future__ import annotations

import codecs
import json
import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

from contract.errors import ContractError
from executors.runtime.failures import with_place
from executors.runtime.text import Redactor, clean_text

FLUSH_SECONDS = 0.5
BATCH_BYTES = 256 * 1024
BATCH_CHUNKS = 500
# Chunks that end only because another stream writes: so many at once, so many more with each flush. A task that
# alternates faster for longer has its streams gathered from flush to flush: order must not make a flood of rows.
CUTS_AT_ONCE = 2000
CUTS_PER_FLUSH = 200
TICK = timedelta(microseconds=1)
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
        self.at = self._latest = datetime.min.replace(tzinfo=UTC)

    @property
    def size(self) -> int:
        return len(self._text)

    def decode(self, data: bytes, *, final: bool = False) -> str:
        """The text of the next bytes; the start of a character cut in two waits for its end."""
        return clean_text(self._decoder.decode(data, final))

    def add(self, text: str, at: datetime) -> None:
        """Add text that was read at ``at``, later than all before; ``self.at`` is the time of the first text held."""
        self.at = self.at if self._text else at
        self._latest = at
        self._text += text

    def take(self, limit: int, *, final: bool = False, lines: bool = False) -> list[Chunk]:
        """Everything that may go now, in chunks of at most ``limit`` bytes; the start of a secret is held back.

        With ``lines``, so is a line that has not ended.
        """
        text = self._redactor.text(self._text)
        end = len(text) - (0 if final else self._redactor.held_back(text))
        if lines:
            end = text.rfind("\n", 0, end) + 1
        chunks = [self._chunk(part) for part in split_bytes(text[:end], limit)]
        self._text = text[end:]
        self.at = self._latest if end else self.at
        return chunks

    def _chunk(self, text: str) -> Chunk:
        size = len(text.encode())
        at = self.at.isoformat()
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


def utc_now() -> datetime:
    return datetime.now(UTC)


class LogBook:
    """Takes the child's output, keeps to ``log_bytes`` (bytes of all streams), writes chunks to the spool.

    The last bytes below the cap are kept back until the end, as room for saying that the log was cut. ``observed`` goes
    on counting what is dropped behind the cap, so that the ledger can say by how much it was passed.
    """

    def __init__(
        self,
        spool: Path,
        chunk_bytes: int,
        log_bytes: int,
        redactor: Redactor,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self.observed = 0
        self.over = False
        self.spool = spool
        self._limit = log_bytes
        self._room = log_bytes - min(NOTE_BYTES, log_bytes // 2)
        self._kept: list[tuple[LogStream, str, datetime]] = []
        self._chunk_bytes = chunk_bytes
        self._redactor = redactor
        self._streams: dict[str, LogStream] = {}
        self._clock = clock
        self._now = datetime.min.replace(tzinfo=UTC)
        self._writer: LogStream | None = None
        self._cuts = CUTS_AT_ONCE
        self._news = False
        self._lock = threading.Lock()
        self._file = spool.open("ab", buffering=0)
        self._size = self._file.seek(0, os.SEEK_END)
        self.failure: str | None = None
        self.written = threading.Condition()
        self.closed = False

    def feed(self, stream: str, data: bytes) -> None:
        """Take bytes of a stream; a full chunk is spooled at once, the rest at the next :meth:`flush`."""
        with self._lock:
            if self.over:  # a flood costs no more than its counting
                self.observed += len(data)
                return
            target = self._stream(stream)
            self._take(target, target.decode(data))
            if target.size >= self._chunk_bytes:
                self._spool(target.take(self._chunk_bytes))
                self._announce()

    def tighten(self, log_bytes: int) -> None:
        """A lower cap cuts what comes from now on; what was taken stays."""
        with self._lock:
            self._limit = min(self._limit, log_bytes)
            self._room = min(self._room, self._limit - min(NOTE_BYTES, self._limit // 2))

    def note(self, text: str) -> None:
        """Add a line of the executor itself; not counted against the cap."""
        with self._lock:
            stream = self._stream(SYSTEM_STREAM)
            stream.add(f"{clean_text(text)}\n", self._turn(stream))
            self._spool(stream.take(self._chunk_bytes))
            self._announce()

    def flush(self) -> None:
        with self._lock:
            self._spool_all()
            self._cuts = min(self._cuts + CUTS_PER_FLUSH, CUTS_AT_ONCE)
            self._announce()

    def close(self) -> None:
        """Spool the rest; the shipper ends when it has sent all."""
        with self._lock:
            for stream in list(self._streams.values()):
                self._take(stream, stream.decode(b"", final=True))
            for stream, text, at in self._kept:
                stream.add(text, at)
            if self.failure:
                stream = self._stream(SYSTEM_STREAM)
                stream.add(f"parts of the log are lost: {self.failure}\n", self._turn(stream))
            self._spool_all(final=True)
            self._file.close()
        with self.written:
            self.closed = True
            self.written.notify_all()

    def _stream(self, name: str) -> LogStream:
        name = name if STREAM_NAME.match(name) else "log"
        return self._streams.setdefault(name, LogStream(name, self._redactor))

    def _turn(self, stream: LogStream) -> datetime:
        """The time of what ``stream`` writes now, later than all before; whole lines of the last writer go first.

        An open line stays together: it goes on when its stream writes again.
        """
        writer = self._writer
        if writer is not None and writer is not stream and self._cuts:
            self._cuts -= 1
            self._spool(writer.take(self._chunk_bytes, lines=True))
        self._writer = stream
        self._now = max(self._clock(), self._now + TICK)
        return self._now

    def _take(self, stream: LogStream, text: str) -> None:
        """Add text as far as the cap goes."""
        size = len(text.encode())
        room = max(0, self._room - self.observed)
        self.observed += size
        if self.over or not text:
            return
        at = self._turn(stream)
        head = text if size <= room else text.encode()[:room].decode("utf-8", "ignore")
        stream.add(head, at)
        if rest := text[len(head) :]:
            self._kept.append((stream, rest, at))
        if self.observed > self._limit:
            self._cut()

    def _cut(self) -> None:
        self.over = True
        stream = self._stream(SYSTEM_STREAM)
        self._kept = []
        text = f"log cut here: cap log_bytes is {self._limit} bytes; later output is dropped\n"
        stream.add(text, self._turn(stream))
        self._spool_all()
        self._announce()

    def _spool_all(self, *, final: bool = False) -> None:
        """All streams, the one that has waited longest first: who follows the log reads in the order of ``at``."""
        for stream in sorted(self._streams.values(), key=lambda each: each.at):
            self._spool(stream.take(self._chunk_bytes, final=final))

    def _spool(self, chunks: list[Chunk]) -> None:
        for chunk in chunks:
            self._append(json.dumps(chunk).encode() + b"\n")
            self._news = True

    def _announce(self) -> None:
        """Wake the shipper; not for every cut, so that short chunks travel together."""
        if not self._news:
            return
        self._news = False
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
