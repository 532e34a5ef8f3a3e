"""What is on its way out, as HTTP says it: Deprecation (RFC 9745), Sunset (RFC 8594) and a link to what to do."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from email.utils import format_datetime, parsedate_to_datetime

from contract.versions import BY_NAME

GUIDE = "/executor/v1/openapi.yaml"


@dataclass(frozen=True)
class Deprecation:
    """since: from when on, maybe in the future, None when the header has no date; sunset: when it may stop to work, or
    None; link: URI reference of what to do, or None."""

    since: datetime | None
    sunset: datetime | None = None
    link: str | None = None

    def headers(self) -> dict[str, str]:
        """The headers of an answer, names in lower case."""
        found = {"deprecation": f"@{int(self.since.timestamp())}"} if self.since else {}
        if self.sunset:
            found["sunset"] = format_datetime(self.sunset, usegmt=True)
        if self.link:
            found["link"] = f'<{self.link}>; rel="deprecation"; type="application/yaml"'
        return found

    def __str__(self) -> str:
        since = f" since {self.since:%Y-%m-%d}" if self.since else ""
        end = f", may stop to work on {self.sunset:%Y-%m-%d}" if self.sunset else ", no end is set yet"
        return f"deprecated{since}{end}" + (f"; what to do: {self.link}" if self.link else "")


def of_days(since: date, sunset: date | None = None) -> Deprecation:
    """A deprecation from 00:00 UTC on. ValueError when the sunset comes first, which RFC 9745 forbids."""
    if sunset and sunset < since:
        raise ValueError(f"the sunset {sunset} is earlier than the deprecation {since}")
    return Deprecation(_midnight(since), _midnight(sunset) if sunset else None, GUIDE)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def of_version(name: str) -> Deprecation | None:
    """The deprecation of a contract version; None when it is not deprecated, or not known here."""
    version = BY_NAME.get(name)
    return of_days(version.deprecated_since, version.sunset) if version and version.deprecated_since else None


def told(headers: Mapping[str, str]) -> Deprecation | None:
    """What an answer's headers say; None when nothing. What cannot be read of it is left out, never an error."""
    value = headers.get("deprecation", "").strip()
    if not value:
        return None
    return Deprecation(_since(value), _sunset(headers.get("sunset", "")), _link(headers.get("link", "")))


def _since(value: str) -> datetime | None:
    """`@` and seconds; parameters of the item are nobody's here. Older drafts of the RFC allowed `true`."""
    found = re.match(r"@(-?[0-9]{1,11})(?=\s*(;|$))", value)
    return datetime.fromtimestamp(int(found.group(1)), UTC) if found else None


def _sunset(value: str) -> datetime | None:
    try:
        return parsedate_to_datetime(value)
    except ValueError:
        return None


def _link(value: str) -> str | None:
    found = re.search(r'<([^<>]*)>[^<>,]*;\s*rel="?deprecation"?(?=[\s;,]|$)', value, re.IGNORECASE)
    return found.group(1) if found else None
