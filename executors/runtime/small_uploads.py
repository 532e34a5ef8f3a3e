"""Small artifacts that came together: begun in one request, PUT one after the other, recorded in one request.

What does not go through this way is left over, to be sent alone, which finds out why and says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from contract import models
from contract.client import NO_RETRY, ExecutorClient
from contract.errors import ContractError
from executors.runtime.policy import Persistence

# They are held in memory: open files would be too many for an executor with many slots.
SMALL_BYTES = 64 * 1024
TOGETHER = 40


@dataclass(frozen=True)
class SmallFile:
    """data: its bytes; body: its announcement."""

    data: bytes
    body: models.BeginFileArtifact


@dataclass(frozen=True)
class SmallUploads:
    """For one attempt."""

    client: ExecutorClient
    persist: Persistence
    run_id: str

    def send(self, files: Sequence[SmallFile]) -> set[int]:
        """Places of the files that are recorded now. Raises GivenUp."""
        try:
            places = self._begin(files)
            put = {place: begun for place, begun in places.items() if self._put(files[place], begun)}
            return self._record(files, put)
        except ContractError:
            return set()

    def _begin(self, files: Sequence[SmallFile]) -> dict[int, models.BeginArtifactResponse]:
        answer = self._batch([], [file.body for file in files])
        return {place: one.answer for place, one in enumerate(answer.begun) if one.answer and not one.answer.multipart}

    def _put(self, file: SmallFile, begun: models.BeginArtifactResponse) -> bool:
        upload = begun.upload
        try:
            if upload is not None:
                self.persist(lambda: self.client.upload(upload, file.data, retry=NO_RETRY))
        except ContractError:
            return False
        return True

    def _record(self, files: Sequence[SmallFile], put: dict[int, models.BeginArtifactResponse]) -> set[int]:
        done = {place for place, begun in put.items() if begun.state != "begun"}
        asked = {begun.artifact_id: place for place, begun in put.items() if place not in done}
        members = [models.RecordMember(artifact_id=id_, epoch=files[place].body.epoch) for id_, place in asked.items()]
        answers = self._batch(members, []).recorded if members else []
        return done | {asked[UUID(str(one.artifact_id))] for one in answers if one.artifact}

    def _batch(
        self, record: list[models.RecordMember], begin: list[models.BeginFileArtifact]
    ) -> models.BatchArtifactsResponse:
        body = models.BatchArtifactsRequest(record=record, begin=begin)
        return self.persist(lambda: self.client.batch_artifacts(self.run_id, body, retry=NO_RETRY))
