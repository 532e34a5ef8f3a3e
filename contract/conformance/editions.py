"""The server that the executor kit plays: of this contract, of an older one, or of a newer one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from contract.deprecation import of_days
from contract.errors import make
from contract.versions import BY_NAME, OLDEST

# Maps whose keys are data: a member added there would be somebody's parameter, label or signed header.
DATA = frozenset({"params", "config", "labels", "headers", "metadata", "next", "connections"})
GOING, GONE = date(2026, 1, 1), date(2126, 1, 1)
# Words that no version of this contract has, by (operation, member): what a server of a later one might say.
WORDS = {
    **{("heartbeat", "directive"): {"continue": "rebalance"}, ("reportAttempt", "decision"): {"finish": "archive"}},
    **{("exchange", "decision"): {"finish": "archive"}, ("claimRuns", "rerun"): {"safe": "idempotent"}},
}


@dataclass(frozen=True)
class Edition:
    """versions: what it speaks; lacks: operations that it does not have; refuses: members that it does not know, by
    operation; novel: whether its answers hold members and words that no version known here has."""

    versions: tuple[str, ...]
    lacks: frozenset[str] = frozenset()
    refuses: Mapping[str, str] = field(default_factory=dict)
    novel: bool = False

    def headers(self) -> dict[str, str]:
        """Headers of each answer. A newer server has all that is known here on its way out."""
        found = {"contract-version": self.versions[-1]}
        return found | (of_days(GOING, GONE).headers() if self.novel else {})

    def check(self, operation: str, body: Any) -> None:
        """Raises invalid_request for a member that came with a later version."""
        member = self.refuses.get(operation)
        bodies = (body, *body.get("runs", ())) if member else ()
        if any(member in each for each in bodies):
            raise make("invalid_request", f"/{member}: contract {self.versions[-1]} has no such member")

    def told(self, operation: str, answer: Any, member: str = "") -> Any:
        """The answer as this edition gives it."""
        if not self.novel or member in DATA:
            return answer
        if isinstance(answer, list):
            return [self.told(operation, each, member) for each in answer]
        if isinstance(answer, dict):
            return {name: self.told(operation, each, name) for name, each in answer.items()} | {"novelty": {"a": [1]}}
        return WORDS.get((operation, member), {}).get(answer, answer) if isinstance(answer, str) else answer


CURRENT = Edition(tuple(BY_NAME))
OLDER = Edition(
    (OLDEST,),
    frozenset({"exchange", "findEarlier", "awaitOrders", "signParts", "batchArtifacts"}),
    {"heartbeat": "metrics", "reportAttempt": "metrics", "beginArtifact": "preview"},
)
NEWER = Edition((*BY_NAME, "1.99", "2.0"), novel=True)
FOREIGN = Edition(("98.0", "99.0"))
