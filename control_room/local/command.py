"""What the stack's command executor may start: the operator's word, given to `up` as variables and remembered."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from control_room.errors import MISUSE, ControlRoomError
from control_room.local.folder import StackFolder
from control_room.local.state import StackState

KIND = "command"
ALLOW, ENV, CONTAINERS = "OPS_COMMAND_ALLOW", "OPS_COMMAND_ENV", "OPS_COMMAND_CONTAINERS"


def given(environ: Mapping[str, str]) -> dict[str, str]:
    """The executor's settings among these variables; {}, for what is remembered, where they say nothing to start."""
    return {name: environ[name] for name in (ALLOW, ENV) if environ.get(name)} if environ.get(ALLOW) else {}


def settle(kinds: Mapping[str, int], environ: Mapping[str, str], remembered: Mapping[str, str]) -> dict[str, str]:
    """The settings of a stack with these executors: those given, else those remembered; {} without the kind.

    Raises ControlRoomError when there are none, for a list given that names no program, so that it takes the place of
    no good one, and for containers, whose engine the other executors would reach.
    """
    if KIND not in kinds:
        return {}
    if environ.get(CONTAINERS):
        raise ControlRoomError(
            f"{CONTAINERS}: the stack's command executor starts no containers, since code of its other executors, "
            "which have the same user, would reach their engine",
            next_step="leave it out; for containers run `control-room-executor command` as a user of its own",
            exit_code=MISUSE,
        )
    check_programs(given(environ).get(ALLOW, ""))
    found = given(environ) or dict(remembered)
    if not found:
        raise ControlRoomError(
            "a command executor starts nothing that is not allowed",
            where=ALLOW,
            next_step=f"say what templates may start, for instance {ALLOW}=/usr/bin/shuf control-room up "
            "--executors python=2,command=1; or choose --executors without command",
            exit_code=MISUSE,
        )
    return found


def check_programs(text: str) -> None:
    """Raises for an entry that the executor would refuse when it starts; see executors.command.allowed."""
    for entry in filter(None, map(str.strip, text.split(","))):
        named = entry == "bundle" or entry.startswith("image:")
        if not named and not (entry.startswith("/") and Path(entry).is_file() and os.access(entry, os.X_OK)):
            raise ControlRoomError(
                f"{entry!r} is no program that can be executed here",
                where=ALLOW,
                next_step="name programs by their absolute paths, divided by commas; `bundle` for files of bundles",
                exit_code=MISUSE,
            )


def executor_environment(folder: StackFolder, state: StackState) -> dict[str, str]:
    """What the stack tells its command executor."""
    return dict(state.command)


def differs(state: StackState, environ: Mapping[str, str]) -> bool:
    """Whether these variables ask for other settings than those of the running stack."""
    return KIND in state.executors and given(environ) not in ({}, state.command)
