"""Files of earlier attempts at the same work, fetched before the child starts: to go on where one ended, or to compare.

A kind says by :class:`Want` what its child can use. The child finds it in its job::

    earlier: {attempts: {number, attempt, epoch, outcome, files: {name: path}, metadata: {name: {…}}}}   # or
    earlier: {attempts: {number, attempt, epoch, outcome, files: {}, metadata: {}}}   # there is one, of other work
    earlier: {}                                                                       # there is none
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

from contract import models
from contract.client import NO_RETRY, ExecutorClient
from contract.errors import NotFound
from executors.runtime.editions import FIRST

T = TypeVar("T")
Json = dict[str, Any]
Persist = Callable[[Callable[[], T]], T]
MARK = "mark"


@dataclass(frozen=True)
class Want:
    """``names``: the first one must be there, with this ``mark`` in its metadata (None: any); the others are taken when
    they are there. ``of``: attempts at this work, or the last success of the template."""

    of: Literal["attempts", "success"]
    names: tuple[str, ...]
    mark: str | None = None


class Earlier:
    """Asks for what a run's kind wants. ``folder``: where files go."""

    def __init__(self, client: ExecutorClient, persist: Persist[Any], run: models.ClaimedRun, folder: Path) -> None:
        self._client, self._persist, self._run, self._folder = client, persist, run, folder

    def fetched(self, wants: Iterable[Want], contract_version: str) -> Json:
        """What the job says; see the module. Empty for a control room that cannot be asked."""
        if contract_version == FIRST:
            return {}
        answers = {want.of: self._one(want) for want in wants}
        return {of: found for of, found in answers.items() if found is not None}

    def _one(self, want: Want) -> Json | None:
        body = models.EarlierRequest(epoch=self._run.epoch, of=want.of, names=list(want.names))
        answer = self._persist(lambda: self._client.find_earlier(str(self._run.run_id), body, retry=NO_RETRY))
        for attempt in answer.attempts:
            if fits(attempt, want):
                return self._fetched(want.of, attempt)
        return record(answer.attempts[0]) if answer.attempts else None

    def _fetched(self, of: str, attempt: models.EarlierAttempt) -> Json:
        found = record(attempt)
        for number, artifact in enumerate(attempt.artifacts):
            target = self._folder / of / str(number)
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._persist(partial(self._download, str(artifact.artifact_id), target))
            except NotFound:  # collected since: as good as none
                return record(attempt)
            found["files"][artifact.name] = str(target)
            found["metadata"][artifact.name] = dict(artifact.metadata)
        return found

    def _download(self, artifact_id: str, target: Path) -> None:
        self._client.download(self._client.get_artifact(artifact_id, retry=NO_RETRY), target, retry=NO_RETRY)


def fits(attempt: models.EarlierAttempt, want: Want) -> bool:
    """Whether the attempt left the first file, of the same work."""
    first = [artifact for artifact in attempt.artifacts if artifact.name == want.names[0]]
    return bool(first) and (want.mark is None or first[0].metadata.get(MARK) == want.mark)


def record(attempt: models.EarlierAttempt) -> Json:
    told = {"number": attempt.number, "attempt": attempt.attempt, "epoch": attempt.epoch, "outcome": attempt.outcome}
    return {**told, "files": {}, "metadata": {}}
