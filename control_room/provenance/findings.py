"""What a verification found, step by step."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

Step = Literal["manifest", "signature", "events", "artifacts", "publications"]
Json = dict[str, Any]


@dataclass(frozen=True)
class Finding:
    """ok: whether it holds, None where it cannot be known; where: the row, the bytes or the member; text: in words."""

    run: str
    step: Step
    ok: bool | None
    where: str
    text: str

    def as_json(self) -> Json:
        """For programs."""
        return {"run": self.run, "step": self.step, "ok": self.ok, "where": self.where, "text": self.text}


def holds(findings: Iterable[Finding]) -> bool:
    """Whether nothing was found that does not hold."""
    return all(finding.ok is not False for finding in findings)


@dataclass(frozen=True)
class Told:
    """Makes the findings of one step of one run."""

    run: str
    step: Step

    def good(self, where: str, text: str) -> Finding:
        return Finding(self.run, self.step, True, where, text)

    def bad(self, where: str, text: str) -> Finding:
        return Finding(self.run, self.step, False, where, text)

    def unknown(self, where: str, text: str) -> Finding:
        return Finding(self.run, self.step, None, where, text)
