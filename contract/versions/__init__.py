"""Which versions of the contract exist, and which of them are on their way out: nothing else says so.

The server answers the highest version that both sides speak (setting `contract_versions` of the schema, held equal by a
test). A deprecated version is still spoken in full; the answer to a registration that chose it says so by header.
"""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Version:
    """name: "major.minor"; document: its OpenAPI text; deprecated_since, sunset: 00:00 UTC of that day, or None."""

    name: str
    document: Path
    deprecated_since: date | None = None
    sunset: date | None = None


VERSIONS = (
    Version("1.0", HERE / "1.0.yaml", deprecated_since=date(2026, 11, 21)),
    Version("1.1", HERE.parent / "openapi.yaml"),
)
BY_NAME = {version.name: version for version in VERSIONS}
OLDEST, NEWEST = VERSIONS[0].name, VERSIONS[-1].name


def order(name: str) -> tuple[int, int]:
    """(major, minor) of "major.minor", for comparison: 1.10 is newer than 1.9. ValueError when it is none."""
    major, minor = name.split(".")
    return int(major), int(minor)


def choose(low: str, high: str, spoken: tuple[str, ...] = tuple(BY_NAME)) -> str | None:
    """The newest version spoken from `low` to `high`; None when there is none."""
    fitting = [name for name in spoken if order(low) <= order(name) <= order(high)]
    return max(fitting, key=order, default=None)
