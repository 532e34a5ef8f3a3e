"""What holds up a run that nobody takes, where somebody has to do something: said at submit and to who follows it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from control_room.commands.context import program
from control_room.errors import ControlRoomError

if TYPE_CHECKING:
    from control_room.client import OperatorClient

# For so long a run that is queued is nothing to speak of; and so often is asked again.
PATIENCE_SECONDS = 3.0
AGAIN_SECONDS = 5.0
MOST_ASKED = 3  # of the runs of a large pipeline: what holds up one holds up the others
ENGINES = ("trino", "spark")
Json = dict[str, Any]


def advice(reason: Mapping[str, Any], number: int | str) -> str:
    """What to do about one of the reasons of `why`; "" where a run has only to wait."""
    code, details = reason["code"], reason.get("detail") or {}
    if code == "no_executor_alive":
        kind = details.get("kind", "KIND")
        way = f"--with {kind}" if kind in ENGINES else f"--executors {kind}=1"
        return f"start one: `{program()} up {way}`, or elsewhere `control-room-executor {kind}`"
    ways = {
        "queue_paused": f"`{program()} queues resume {details.get('queue', 'QUEUE')}` ends the pause",
        "paused": f"`{program()} runs resume {number}` ends the pause",
        "no_executor_for_workspace": "let an executor of its kind work in this workspace (OPS_WORKSPACES)",
        "no_executor_with_capability": "start an executor that has it, or ask for less in the template",
        "executor_paused": f"`{program()} executors resume NAME` ends the pause",
        "executor_draining": "start another executor of this kind",
        "executor_in_trouble": "its runs start when that is over",
    }
    return ways.get(code, "")


def held_up(client: OperatorClient, run: Mapping[str, Any]) -> str:
    """Why nobody takes a run, and what to do; "" when it has only to wait its turn, and when the server does not tell:
    the run is on record, and who reads of an error would submit it again."""
    try:
        reasons = client.why(str(run["number"]))["reasons"]
    except ControlRoomError:
        return ""
    for reason in reasons:
        if todo := advice(reason, run["number"]):
            return f"{reason['message']}; {todo}"
    return ""


class Waits:
    """The same of runs that are looked at again and again, asked for now and then."""

    def __init__(self, client: OperatorClient, clock: Callable[[], float] = time.monotonic) -> None:
        self._client, self._clock = client, clock
        self._since: dict[int, float] = {}
        self._told: dict[int, tuple[float, str]] = {}

    def of(self, run: Mapping[str, Any]) -> str:
        """As :func:`held_up`, of a run that has been queued for some seconds."""
        number, now = int(run["number"]), self._clock()
        if run["state"] != "queued":
            self._since.pop(number, None)
            return ""
        if now - self._since.setdefault(number, now) < PATIENCE_SECONDS:
            return ""
        at, text = self._told.get(number, (now - AGAIN_SECONDS, ""))
        asked = sum(now - when < AGAIN_SECONDS for when, _ in self._told.values())
        if now - at >= AGAIN_SECONDS and asked < MOST_ASKED:
            text = held_up(self._client, run)
            self._told[number] = now, text
        return text
