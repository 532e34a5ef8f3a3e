"""Cursors of the event stream: 'xid-<transaction>-<run_id>-<seq>', in the order the database gives events out."""

from __future__ import annotations

import re

Position = tuple[int, str, int]
START: Position = (-1, "", -1)
_FORM = re.compile(r"xid-(\d{1,20})(?:-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})-(\d{1,18}))?")


def is_cursor(text: str) -> bool:
    """Whether the text has the form of a cursor."""
    return _FORM.fullmatch(text) is not None


def position(cursor: str) -> Position:
    """The place of a cursor in the order of events. Raises ValueError for anything else."""
    match = _FORM.fullmatch(cursor)
    if match is None:
        raise ValueError(f"{cursor!r} is no cursor of the event stream")
    return int(match[1]), match[2] or "", int(match[3] or 0)
