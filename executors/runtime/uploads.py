"""Artifacts of one attempt: hashed, announced, put and recorded in the background, a few side by side."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from contract import models
from contract.client import NO_RETRY, ExecutorClient
from contract.errors import CapExceeded, ContractError, DigestMismatch, Forbidden, UploadMissing
from executors.runtime.caps import Breach, Caps
from executors.runtime.failures import TaskError, error_record
from executors.runtime.part_uploads import PartUploads
from executors.runtime.policy import GivenUp, Persistence
from executors.runtime.small_uploads import SMALL_BYTES, TOGETHER, SmallFile, SmallUploads

Json = dict[str, Any]
TRIES = 3
PREVIEW_BYTES = 60_000  # of JSON; user code can tell what it likes
AT_ONCE = 4  # most of an upload is waiting for the control room and the store
REPEATABLE = (DigestMismatch, Forbidden, UploadMissing)


@dataclass(frozen=True)
class Content:
    """Bytes on disk, as found when they were hashed."""

    path: Path
    size: int
    sha256: str


@dataclass(frozen=True)
class Taken:
    """A file that is open and counted."""

    fd: int
    content: Content
    body: models.BeginFileArtifact


class Uploads:
    """Takes ``artifact`` messages; ``error`` and ``breach`` are settled once :meth:`finish` has returned."""

    def __init__(
        self,
        client: ExecutorClient,
        persist: Persistence,
        run_id: str,
        epoch: int,
        folder: Path,
        caps: Caps,
        on_breach: Callable[[Breach], None],
        clock: Callable[[], float],
        resume_bytes: int | None = None,
    ) -> None:
        """resume_bytes: files of this size and above go up in parts; None: the control room knows nothing of parts."""
        self._client, self._persist = client, persist
        self._run_id, self._epoch, self._folder, self._caps = run_id, epoch, folder, caps
        self._on_breach, self._clock = on_breach, clock
        self._resume_bytes = resume_bytes
        self._parts = PartUploads(client, persist, run_id, epoch)
        self._small = SmallUploads(client, persist, run_id)
        self._waiting: deque[Json] = deque()
        self._pool: ThreadPoolExecutor | None = None
        self._futures: list[Future[None]] = []
        self._lock = threading.Lock()
        self._begun = self._begun_files = 0
        self.bytes = self.files = 0
        self.error: Json | None = None
        self.breach: Breach | None = None

    def add(self, message: Json) -> None:
        """Upload in the background; the child goes on. Small files that wait together go together."""
        self._pool = self._pool or ThreadPoolExecutor(AT_ONCE, thread_name_prefix="uploads")
        if self._resume_bytes is None or not is_small(message):
            self._futures.append(self._pool.submit(self._guarded, message))
            return
        self._waiting.append(message)
        self._futures.append(self._pool.submit(self._send_waiting))

    def finish(self) -> None:
        """Wait for all of them."""
        if self._pool:
            self._pool.shutdown(wait=True)
        for future in self._futures:
            future.result()

    def _send_waiting(self) -> None:
        """What waits, together; nothing when others have sent it."""
        with self._lock:
            messages = [self._waiting.popleft() for _ in range(min(len(self._waiting), TOGETHER))]
        if len(messages) > 1:
            self._send_together(messages)
        elif messages:
            self._guarded(messages[0])

    def _send_together(self, messages: list[Json]) -> None:
        taken: dict[int, SmallFile] = {}
        for place, message in enumerate(messages):
            self._told(message, partial(self._take_small, message, place, taken))
        places, kept = list(taken), set[int]()
        try:
            kept = {places[n] for n in self._small.send([*taken.values()])} if taken else kept
        except GivenUp:
            return
        finally:
            for place, file in taken.items():
                self._settle(file.body.size, kept=place in kept)
        for place, message in enumerate(messages):
            if place not in kept:
                self._guarded(message)

    def _guarded(self, message: Json) -> None:
        self._told(message, lambda: self._upload(message))

    def _told(self, message: Json, work: Callable[[], None]) -> None:
        """The first failure decides the attempt; what comes after it is not uploaded."""
        if self.error or self.breach:
            return
        try:
            work()
        except GivenUp:
            return
        except CapExceeded as error:
            cap = str(error.members.get("cap") or "artifact_bytes")
            self._break(cap, float(error.members.get("limit") or 0), float(error.members.get("observed") or 0))
        except TaskError as error:
            self.error = error_record(error.failure_class, error.code, error.message)
        except ContractError as error:
            failure_class = "user" if error.status == 422 else "internal"
            self.error = error_record(failure_class, error.code, f"artifact {message.get('name')!r}: {error}")
        except (OSError, ValueError) as error:  # a full disk; a message that fits no model
            self.error = error_record("user", "artifact_invalid", f"artifact {message.get('name')!r}: {error}")

    def _break(self, cap: str, limit: float, observed: float) -> None:
        """The artifact was refused before its first byte; the work ends, too."""
        self.breach = Breach(cap, limit, observed, self._clock(), "cancelled" if self._caps.grace(cap) else "killed")
        self._on_breach(self.breach)

    def _upload(self, message: Json) -> None:
        if message.get("kind") == "table":
            body = models.BeginTableArtifact(epoch=self._epoch, **pick(message, "kind", "name", "table", "metadata"))
            self._record(self._begin(body))
            with self._lock:
                self.files += 1
            return
        for left in reversed(range(TRIES)):
            try:
                return self._upload_file(message)
            except REPEATABLE as error:
                # Changed while it was read, a URL over its time, or bytes that never arrived: from the start.
                if left == 0:
                    raise
                if isinstance(error, Forbidden) and error.code != "forbidden":
                    raise

    def _upload_file(self, message: Json) -> None:
        taken, kept = self._take(message), False
        try:
            begun = self._begin(taken.body)
            if begun.multipart is not None:
                self._parts.send(begun.artifact_id, taken.content.path, taken.content.size)
            if begun.upload is not None:
                upload = begun.upload
                self._persist(lambda: self._client.upload(upload, taken.content.path, retry=NO_RETRY))
            self._record(begun)
            kept = True
        finally:
            self._let_go(taken, kept=kept)

    def _take(self, message: Json) -> Taken:
        """Open, hash and count a file. Raises CapExceeded for the one that would pass a cap."""
        fd = open_inside(Path(str(message.get("path"))), self._folder)
        try:
            content = measure(fd)
            body = self._announcement(message, content.size, content.sha256)
            self._count(content.size)
        except BaseException:
            os.close(fd)
            raise
        return Taken(fd, content, body)

    def _take_small(self, message: Json, place: int, taken: dict[int, SmallFile]) -> None:
        """Read and count a small file; one that has grown meanwhile is left to go alone."""
        with os.fdopen(open_inside(Path(str(message.get("path"))), self._folder), "rb") as file:
            data = file.read(SMALL_BYTES + 1)
        if len(data) <= SMALL_BYTES:
            body = self._announcement(message, len(data), hashlib.sha256(data).hexdigest())
            self._count(len(data))
            taken[place] = SmallFile(data, body)

    def _announcement(self, message: Json, size: int, sha256: str) -> models.BeginFileArtifact:
        told = pick(message, "name", "kind", "media_type", "metadata")
        return models.BeginFileArtifact(
            epoch=self._epoch, size=size, sha256=sha256, **told, **self._newer(message, size)
        )

    def _let_go(self, taken: Taken, *, kept: bool) -> None:
        os.close(taken.fd)
        self._settle(taken.content.size, kept=kept)

    def _settle(self, size: int, *, kept: bool) -> None:
        """One that was given up, or is to be tried again, takes no room."""
        with self._lock:
            if kept:
                self.bytes += size
                self.files += 1
            else:
                self._begun -= size
                self._begun_files -= 1

    def _newer(self, message: Json, size: int) -> Json:
        """What contract 1.0 has no members for."""
        if self._resume_bytes is None:
            return {}
        resume = bool(message.get("resume")) or size >= self._resume_bytes
        preview = message.get("preview")
        fits = isinstance(preview, dict) and len(preview) <= 64 and len(json.dumps(preview)) <= PREVIEW_BYTES
        return ({"preview": preview} if fits else {}) | ({"resume": True} if resume else {})

    def _record(self, begun: models.BeginArtifactResponse) -> None:
        if begun.state == "begun":
            record = models.RecordArtifactRequest(epoch=self._epoch)
            artifact_id = begun.artifact_id
            self._persist(lambda: self._client.record_artifact(self._run_id, artifact_id, record, retry=NO_RETRY))

    def _count(self, size: int) -> None:
        """Raises CapExceeded for the artifact that would pass a cap."""
        now = self._clock()
        with self._lock:
            sizes = self._caps.check("artifact_bytes", self._begun + size, now)
            numbers = self._caps.check("artifact_count", self._begun_files + 1, now)
            found = [breach for breach in (sizes, numbers) if breach]
            stops = [breach for breach in found if not breach.goes_on]
            self._begun += 0 if stops else size
            self._begun_files += 0 if stops else 1
        for breach in found:
            if breach.goes_on:
                self._on_breach(breach)
        if stops:
            first = stops[0]
            members = {"cap": first.cap, "limit": first.limit, "observed": first.observed}
            raise CapExceeded(first.cap, members=members)

    def _begin(self, body: models.BeginFileArtifact | models.BeginTableArtifact) -> models.BeginArtifactResponse:
        return self._persist(lambda: self._client.begin_artifact(self._run_id, body, retry=NO_RETRY))


def is_small(message: Json) -> bool:
    """Whether a file can go together with others."""
    try:
        small = Path(str(message.get("path"))).stat().st_size <= SMALL_BYTES
    except (OSError, ValueError):  # said when its turn comes
        return False
    return small and message.get("kind") != "table" and not message.get("resume")


def pick(message: Json, *names: str) -> Json:
    return {name: message[name] for name in names if message.get(name) is not None}


def open_inside(path: Path, folder: Path) -> int:
    """Open a regular file of the run's own folder. The child names it, but the executor may read more than the child.

    TaskError when it is missing, no regular file, or (also through links) elsewhere.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise TaskError("user", "artifact_missing", f"artifact file {path} cannot be read: {error.strerror}") from None
    real = Path(f"/proc/self/fd/{fd}").readlink()
    if stat.S_ISREG(os.fstat(fd).st_mode) and real.is_relative_to(folder.resolve()):
        return fd
    os.close(fd)
    raise TaskError("user", "artifact_outside", f"artifact file {path} is no regular file inside the run's work folder")


def measure(fd: int) -> Content:
    """Size and digest of an open file, and a path that names this very file whatever happens to its name."""
    path = Path(f"/proc/self/fd/{fd}")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return Content(path, file.tell(), digest)
