"""The stack's command executor: what it may start is given, remembered, forgotten with the kind, or asked for."""

from __future__ import annotations

import pytest

from control_room.errors import MISUSE, ControlRoomError
from control_room.local import command
from control_room.local.executor import check_wanted
from control_room.local.state import StackState

SHUF = {"OPS_COMMAND_ALLOW": "/usr/bin/shuf"}
WITH, WITHOUT = {"python": 2, "command": 1}, {"python": 2}


@pytest.mark.parametrize(
    ("kinds", "environ", "remembered", "expected"),
    [
        (WITH, {**SHUF, "OPS_COMMAND_ENV": "MODE", "PATH": "/bin"}, {}, {**SHUF, "OPS_COMMAND_ENV": "MODE"}),
        (WITH, {}, SHUF, SHUF),
        (WITH, {"OPS_COMMAND_ALLOW": "bundle"}, {**SHUF, "OPS_COMMAND_ENV": "MODE"}, {"OPS_COMMAND_ALLOW": "bundle"}),
        (WITHOUT, SHUF, SHUF, {}),
    ],
    ids=["given", "remembered", "a new list replaces all of it", "forgotten with the kind"],
)
def test_the_list_is_the_one_given_else_the_one_remembered(
    kinds: dict[str, int], environ: dict[str, str], remembered: dict[str, str], expected: dict[str, str]
) -> None:
    assert command.settle(kinds, environ, remembered) == expected


def test_without_a_list_the_kind_is_refused_with_the_way_to_give_one() -> None:
    with pytest.raises(ControlRoomError, match="starts nothing that is not allowed") as refused:
        command.settle(WITH, {"OPS_COMMAND_ENV": "MODE"}, {})
    assert refused.value.exit_code == MISUSE
    assert "OPS_COMMAND_ALLOW=" in refused.value.next_step


@pytest.mark.parametrize(
    "text", ["shuf", "/usr/bin", "/usr/bin/shuf,/usr/bin/nothing", "/etc/passwd", "/usr/bin/shuf:bundle"]
)
def test_a_list_that_names_no_program_takes_the_place_of_no_good_one(text: str) -> None:
    with pytest.raises(ControlRoomError, match="is no program that can be executed here") as refused:
        command.settle(WITH, {"OPS_COMMAND_ALLOW": text}, SHUF)
    assert refused.value.exit_code == MISUSE


def test_the_stacks_executor_starts_no_containers() -> None:
    with pytest.raises(ControlRoomError, match="starts no containers"):
        command.settle(WITH, {**SHUF, "OPS_COMMAND_CONTAINERS": "/usr/bin/docker"}, {})


def test_a_running_stack_with_another_list_is_another_stack() -> None:
    state = StackState(executors=dict(WITH), command=dict(SHUF))
    assert not command.differs(state, {})
    assert not command.differs(state, SHUF)
    assert command.differs(state, {"OPS_COMMAND_ALLOW": "bundle"})
    assert not command.differs(StackState(executors=dict(WITHOUT)), SHUF)


def test_a_slip_in_a_kinds_name_is_told_with_the_kind_that_was_meant() -> None:
    with pytest.raises(ControlRoomError, match="unknown executor kind 'pyhton'; did you mean 'python'"):
        check_wanted({"pyhton": 1})
