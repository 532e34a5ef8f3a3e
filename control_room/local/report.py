"""What the supervisor tells whoever started it: JSON lines on a pipe, and plain lines in its own log."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

from control_room.local.state import now

Event = dict[str, Any]


class Reporter:
    """Sends each event to the starter while it listens; a starter that went away (Ctrl-C) is no error."""

    def __init__(self, descriptor: int | None = None, on_event: Callable[[Event], None] | None = None):
        self._descriptor = descriptor
        self._on_event = on_event

    def __call__(self, event: str, **fields: Any) -> None:
        message = {"event": event, **fields}
        print(now(), event, " ".join(f"{k}={v}" for k, v in fields.items()), file=sys.stderr, flush=True)  # noqa: T201
        if self._on_event is not None:
            self._on_event(message)
        self._send(message)

    def close(self) -> None:
        """Tell the starter that there is nothing more to come."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _send(self, message: Event) -> None:
        if self._descriptor is None:
            return
        try:
            os.write(self._descriptor, (json.dumps(message) + "\n").encode())
        except OSError:
            self.close()
