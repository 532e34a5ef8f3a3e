"""A claimed run and what an executor does with it, for tests of the verbs of an attempt."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from typing import Any

from tests.support.ops import Ops


@dataclass
class Work:
    """One claimed run in the hands of its executor."""

    ops: Ops
    operator: uuid.UUID
    token: uuid.UUID
    executor_id: uuid.UUID
    run_id: str
    epoch: int

    def logs(self, *chunks: dict[str, Any], **change: Any) -> Any:
        return self.ops.call(
            "append_logs", self.token, self.run_id, {"epoch": self.epoch, "chunks": [*chunks]} | change
        )

    def begin(self, name: str = "out.txt", content: bytes = b"x", **change: Any) -> Any:
        body = artifact(name, content) | {"epoch": self.epoch} | change
        return self.ops.call("begin_artifact", self.token, self.run_id, body)

    def record(self, artifact_id: str, **change: Any) -> Any:
        body = {"epoch": self.epoch} | change
        return self.ops.call("record_artifact", self.token, self.run_id, artifact_id, body)

    def report(self, outcome: str = "succeeded", **more: Any) -> Any:
        body = {
            "epoch": self.epoch,
            "outcome": outcome,
            "idempotency_key": f"{self.run_id}/{self.epoch}",
            "usage": {},
            "finished_at": "2026-11-21T12:00:00Z",
            "cap_ledger": [],
        }
        extra: dict[str, Any] = {"result": {}, "publications": []} if outcome == "succeeded" else {}
        return self.ops.call("report_attempt", self.token, self.run_id, body | extra | more)

    def revoke(self) -> None:
        """Take the lease away, as an operator's forced cancel does."""
        self.ops.call("cancel_run", self.operator, self.run_id, {"reason": "test", "force": True})


def start(ops: Ops, **submit: Any) -> Work:
    """Submit a run of a fresh template and claim it."""
    operator, token = ops.token("operator"), ops.token("executor")
    ops.template(operator)
    ops.submit(operator, **submit)
    executor_id = ops.executor(token)
    (run,) = ops.claim(token, executor_id)
    return Work(ops, operator, token, executor_id, run["run_id"], run["epoch"])


def chunk(
    seq: int, text: str, offset: int = 0, stream: str = "stdout", at: str = "2026-11-21T12:00:00Z"
) -> dict[str, Any]:
    """One log chunk."""
    return {"stream": stream, "seq": seq, "offset": offset, "at": at, "text": text}


def artifact(name: str, content: bytes) -> dict[str, Any]:
    """The part of a beginArtifact body that describes bytes."""
    return {
        "name": name,
        "kind": "file",
        "media_type": "text/plain",
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "metadata": {},
    }
