"""One artifact that goes up in parts: those that the store does not hold, a few side by side, until all are there.

A part whose connection was lost is sent again, alone. Who begins anew (another process, another attempt of the run with
the same bytes) finds the parts that are held.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from uuid import UUID

from contract import models
from contract.canonical import BLOCK
from contract.client import NO_RETRY, ExecutorClient, Slice
from contract.errors import Forbidden
from executors.runtime.policy import Persistence

AT_ONCE = 4
# Signed together. Their addresses live 15 minutes: what is not sent by then is signed again.
BATCH = 16
TRIES = 3


@dataclass(frozen=True)
class PartUploads:
    """For one attempt. All methods raise GivenUp, or the contract error that no repetition changes."""

    client: ExecutorClient
    persist: Persistence
    run_id: str
    epoch: int

    def send(self, artifact_id: UUID, path: Path, size: int) -> None:
        """Until the store holds every part. size: bytes of the file, which must not change meanwhile."""
        asked = self._sign(artifact_id, [])
        layout = Layout(path, size, asked.part_size)
        missing = [number for number in range(1, asked.parts + 1) if number not in set(asked.held)]
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="parts") as pool:
            sending: set[Future[None]] = set()
            try:
                for batch in _batches(missing):
                    named = [models.PartDigest(number=number, sha256=layout.sha256(number)) for number in batch]
                    for one in self._sign(artifact_id, named).uploads:
                        sending.add(pool.submit(self._send_one, artifact_id, layout, one))
                    sending = _settled(sending, AT_ONCE)
                _settled(sending, 0)
            finally:
                for future in sending:
                    future.cancel()

    def _send_one(self, artifact_id: UUID, layout: Layout, signed: models.PartUpload) -> None:
        """PUT one part; with a new address when the old one is over its time."""
        part = layout.slice(signed.number)
        for left in reversed(range(TRIES)):
            try:
                upload = signed.upload
                self.persist(lambda upload=upload: self.client.upload(upload, part, retry=NO_RETRY))  # type: ignore[misc]
                return
            except Forbidden:
                if left == 0:
                    raise
            named = models.PartDigest(number=signed.number, sha256=layout.sha256(signed.number))
            again = self._sign(artifact_id, [named]).uploads
            if not again:  # the store has it: only its answer was lost
                return
            signed = again[0]

    def _sign(self, artifact_id: UUID, parts: list[models.PartDigest]) -> models.SignPartsResponse:
        body = models.SignPartsRequest(epoch=self.epoch, parts=parts)
        return self.persist(lambda: self.client.sign_parts(self.run_id, artifact_id, body, retry=NO_RETRY))


@dataclass(frozen=True)
class Layout:
    """Where the parts of a file lie. size, part_size: bytes."""

    path: Path
    size: int
    part_size: int

    def slice(self, number: int) -> Slice:
        """A part, numbered from 1."""
        offset = (number - 1) * self.part_size
        return Slice(self.path, offset, min(self.part_size, self.size - offset))

    def sha256(self, number: int) -> str:
        """Of a part's bytes; hexadecimal."""
        part, digest = self.slice(number), hashlib.sha256()
        with part.path.open("rb") as stream:
            stream.seek(part.offset)
            left = part.size
            while left and (block := stream.read(min(BLOCK, left))):
                digest.update(block)
                left -= len(block)
        return digest.hexdigest()


def _batches(numbers: Iterable[int]) -> Iterator[list[int]]:
    source = iter(numbers)
    while batch := list(islice(source, BATCH)):
        yield batch


def _settled(sending: set[Future[None]], most: int) -> set[Future[None]]:
    """Wait until no more than `most` are under way; the first failure is raised."""
    while len(sending) > most:
        done, sending = wait(sending, return_when=FIRST_COMPLETED)
        for future in done:
            future.result()
    return sending
