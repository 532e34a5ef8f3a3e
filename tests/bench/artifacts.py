"""Artifacts of one run against plain boto3 to the same store: one large file up and down, many small ones up.

Ours is what an executor does over the real server: hash, announce, PUT or parts, record, with the server's own reading
of what came in parts. boto3's is a multipart transfer whose parts carry sha256, or PUTs with one, with as many threads.
Both sides in turn, repetition by repetition. Floor of the ratios: 0.7.
"""

from __future__ import annotations

import base64
import hashlib
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from boto3.s3.transfer import TransferConfig

from contract import models
from contract.client import NO_RETRY, SPOKEN, ExecutorClient
from executors.runtime.caps import Caps
from executors.runtime.policy import Persistence
from executors.runtime.settings import RESUME_BYTES
from executors.runtime.uploads import AT_ONCE, Uploads
from tests.executors.room import Room, room
from tests.support.postgres import NEWEST, TEMPLATE, Database, cluster
from tests.support.seaweed import running

GIB = 2**30
MIB = 2**20
SMALL_BYTES = 4096
BUCKET = "artifacts"


@dataclass
class Bench:
    """One control room, one client of an executor, and boto3 with the store's own key."""

    room: Room
    client: ExecutorClient
    s3: Any
    folder: Path

    def run(self) -> models.ClaimedRun:
        """A run that is held from now on."""
        self.room.submit({"task.py": "def main():\n    pass\n"}, lease_seconds=3600)
        executor = self.client.register_executor(registration()).executor_id
        body = models.ClaimRequest(request_id=uuid4(), max_runs=1, wait_seconds=5)
        return self.client.claim_runs(executor, body).runs[0]

    def uploads(self, run: models.ClaimedRun, resume_bytes: int) -> Uploads:
        caps = Caps.of(run.caps.model_dump())
        persist = Persistence(threading.Event())
        return Uploads(
            self.client, persist, str(run.run_id), run.epoch, self.folder, caps, print, time.monotonic, resume_bytes
        )

    def fresh(self, size: int) -> Path:
        """A file of new bytes, in the page cache."""
        path = self.folder / uuid4().hex
        with path.open("wb") as file:
            for _ in range(0, size, MIB):
                file.write(os.urandom(min(MIB, size)))
        return path

    def ours_up(self, size: int, resume_bytes: int) -> tuple[float, str, Path]:
        """Seconds, artifact_id, and the file."""
        run, path = self.run(), self.fresh(size)
        uploads = self.uploads(run, resume_bytes)

        def send() -> None:
            uploads.add(message(path))
            uploads.finish()

        seconds = timed(send)
        assert uploads.error is None, uploads.error
        found = self.room.call("run_artifacts", self.room.operator, str(run.run_id))["items"]
        return seconds, found[0]["artifact_id"], path

    def ours_down(self, artifact_id: str) -> float:
        target = self.folder / "down"

        def fetch() -> None:
            self.client.download(self.client.get_artifact(artifact_id, retry=NO_RETRY), target)

        seconds = timed(fetch)
        target.unlink()
        return seconds

    def theirs_up(self, size: int) -> tuple[float, str]:
        path, key = self.fresh(size), f"bench/{uuid4()}"
        config = TransferConfig(multipart_threshold=8 * MIB, multipart_chunksize=16 * MIB, max_concurrency=AT_ONCE)
        extra = {"ChecksumAlgorithm": "SHA256"}
        seconds = timed(lambda: self.s3.upload_file(str(path), BUCKET, key, ExtraArgs=extra, Config=config))
        path.unlink()
        return seconds, key

    def theirs_down(self, key: str) -> float:
        target = self.folder / "down"
        config = TransferConfig(multipart_threshold=8 * MIB, multipart_chunksize=16 * MIB, max_concurrency=AT_ONCE)
        seconds = timed(lambda: self.s3.download_file(BUCKET, key, str(target), Config=config))
        target.unlink()
        self.s3.delete_object(Bucket=BUCKET, Key=key)
        return seconds

    def ours_small(self, count: int) -> float:
        run, paths = self.run(), [self.fresh(SMALL_BYTES) for _ in range(count)]
        uploads = self.uploads(run, RESUME_BYTES)

        def send() -> None:
            for path in paths:
                uploads.add(message(path))
            uploads.finish()

        seconds = timed(send)
        assert (uploads.error, uploads.files) == (None, count)
        return seconds

    def theirs_small(self, count: int) -> float:
        paths = [self.fresh(SMALL_BYTES) for _ in range(count)]

        def put(path: Path) -> None:
            data = path.read_bytes()
            checksum = base64.b64encode(hashlib.sha256(data).digest()).decode()
            self.s3.put_object(Bucket=BUCKET, Key=f"bench/{uuid4()}", Body=data, ChecksumSHA256=checksum)

        with ThreadPoolExecutor(AT_ONCE) as pool:
            return timed(lambda: list(pool.map(put, paths)))


def timed(work: Callable[[], Any]) -> float:
    """Seconds."""
    started = time.monotonic()
    work()
    return time.monotonic() - started


def message(path: Path) -> dict[str, Any]:
    """As a child announces a file."""
    return {"name": path.name, "path": str(path), "kind": "file", "media_type": "application/octet-stream"}


def registration() -> models.RegisterRequest:
    return models.RegisterRequest(
        instance_id=uuid4(),
        name="bench",
        kind="python",
        version="0",
        contract=SPOKEN,
        capabilities={},
        labels={},
        slots=1,
        host="localhost",
        pid=os.getpid(),
    )


def measure(folder: Path, repeat: int, size: int = GIB, count: int = 1000) -> dict[str, list[float]]:
    """size: bytes of the large file; count: of small ones. Seconds, and ratios (theirs / ours: the more the better)."""
    server = cluster(NEWEST)
    name = server.create_database(TEMPLATE)
    work = folder / "files"
    work.mkdir()
    database = Database(server.conninfo(name), NEWEST, server)
    with (
        running() as store,
        room(database, store, folder) as opened,
        ExecutorClient(opened.url, opened.token) as client,
    ):
        bench = Bench(opened, client, store.client(), work)
        figures = [one(bench, size, count) for _ in range(repeat)]
    return {key: [each[key] for each in figures] for key in figures[0]}


def one(bench: Bench, size: int, count: int) -> dict[str, float]:
    """Both sides of everything, once."""
    plain, plain_id, path = bench.ours_up(size, size + 1)
    path.unlink()
    parts, _, path = bench.ours_up(size, 1)
    path.unlink()
    theirs, key = bench.theirs_up(size)
    down, their_down = bench.ours_down(plain_id), bench.theirs_down(key)
    small, their_small = bench.ours_small(count), bench.theirs_small(count)
    label = f"{size / MIB:.0f} MiB"
    return {
        f"{label} up, one PUT (s)": plain,
        f"{label} up, in parts (s)": parts,
        f"{label} up, boto3 multipart (s)": theirs,
        f"{label} up, one PUT: rate / boto3's (>= 0.7)": theirs / plain,
        f"{label} up, in parts: rate / boto3's (>= 0.7)": theirs / parts,
        f"{label} down (s)": down,
        f"{label} down, boto3 (s)": their_down,
        f"{label} down: rate / boto3's (>= 0.7)": their_down / down,
        f"{count} small (s)": small,
        f"{count} small, boto3 PUTs (s)": their_small,
        f"{count} small: rate / boto3's (>= 0.7)": their_small / small,
    }
