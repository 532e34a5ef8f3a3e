"""The name and environment that others see of a process that was forked and not executed (/proc/PID/cmdline, environ).

Both are memory of the process, from its start: the texts are written over, cut where they do not fit.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence

# Fields of /proc/PID/stat, counted from the first one after the name, see proc(5).
ARGUMENTS, ENVIRONMENT = slice(45, 47), slice(47, 49)


def rename(command: Sequence[str], environment: Mapping[str, str]) -> None:
    """Show this command line and this environment. Libc must not read the old environment any more."""
    with open("/proc/self/stat", "rb") as file:  # noqa: PTH123 - pathlib is not loaded for a child that needs it not
        fields = file.read().rpartition(b")")[2].split()
    overwrite(place_of(fields[ARGUMENTS]), list(command))
    # The marker of the run first: by it the executor finds what a lost warden left behind.
    marked = sorted(environment.items(), key=lambda item: item[0] != "CONTROL_ROOM_ATTEMPT")
    overwrite(place_of(fields[ENVIRONMENT]), [f"{name}={value}" for name, value in marked])


def place_of(fields: Sequence[bytes]) -> range:
    start, end = map(int, fields)
    return range(start, end)


def overwrite(place: range, texts: list[str]) -> None:
    """Texts with a NUL after each, as many as fit, NULs to the end."""
    room, data = len(place), b""
    for text in texts:
        more = text.encode("utf-8", "surrogateescape") + b"\0"
        if len(data) + len(more) > room:
            break
        data += more
    if room:
        ctypes.memmove(place.start, data.ljust(room, b"\0"), room)
