"""Near names: what a person may have meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def near(name: str, known: Iterable[str], limit: int = 3) -> list[str]:
    """Known names close to `name`, nearest first."""
    return get_close_matches(name, sorted(set(known)), n=limit, cutoff=0.5)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A tail for an error message: what may have been meant, or the known names when few, or nothing."""
    names = sorted(set(known))
    close = near(name, names)
    if close:
        return "; did you mean " + " or ".join(repr(n) for n in close) + "?"
    if 0 < len(names) <= 12:
        return "; known: " + ", ".join(names)
    return ""
