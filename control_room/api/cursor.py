"""Cursors of the event stream: 'xid.run_id.seq', in the order in which the database gives events out.

On the wire an event's id is 'xid-' and its cursor.
"""

from __future__ import annotations

import re

Position = tuple[int, str, int]
START: Position = (-1, "", -1)
_PREFIX = "xid-"
_FORM = re.compile(r"([0-9]{1,19})\.([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.([0-9]{1,18})")


def position(cursor: str) -> Position:
    """The place of a cursor in the order of events. Raises ValueError for anything else."""
    match = _FORM.fullmatch(cursor)
    if match is None:
        raise ValueError(f"{cursor!r} is no cursor of the event stream")
    return int(match[1]), match[2], int(match[3])


def event_id(cursor: str) -> str:
    """The id of a server-sent event."""
    return _PREFIX + cursor


def cursor_of(event_id: str) -> str:
    """The cursor in an event's id. Raises ValueError for what is no id of ours."""
    cursor = event_id.removeprefix(_PREFIX)
    if not event_id.startswith(_PREFIX):
        raise ValueError(f"{event_id!r} is no id of the event stream")
    position(cursor)
    return cursor
