"""Ports: remembered, moved only when someone else has them, and never moved when pinned."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from control_room.errors import ControlRoomError
from control_room.local import ports
from control_room.local.folder import StackFolder
from control_room.local.report import Reporter
from control_room.local.supervisor import Options, Supervisor


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server((ports.LOOPBACK, 0)) as listener:
        yield listener.getsockname()[1]


def test_the_first_start_chooses_a_distinct_free_port_for_each_name() -> None:
    chosen, notes = ports.settle({}, {}, ())
    assert set(chosen) == set(ports.NAMES)
    assert len(set(chosen.values())) == len(ports.NAMES)
    assert notes == []


def test_a_later_start_keeps_what_is_remembered() -> None:
    chosen, _ = ports.settle({}, {}, ())
    assert ports.settle(chosen, {}, ()) == (chosen, [])


def test_a_remembered_port_that_someone_took_is_replaced_and_said(taken: int) -> None:
    chosen, notes = ports.settle({"server": taken}, {}, ())
    assert chosen["server"] != taken
    assert notes == [f"port {taken} (server) was taken by {ports.holder(taken)}; another one was chosen"]
    assert f"pid {os.getpid()}" in notes[0]


def test_a_port_held_by_a_service_of_this_stack_is_kept(taken: int) -> None:
    assert ports.settle({"server": taken}, {}, {taken})[0]["server"] == taken


def test_a_pinned_port_that_is_taken_is_an_error_that_names_the_holder(taken: int) -> None:
    with pytest.raises(ControlRoomError, match=f"port {taken} for postgres is taken by pid {os.getpid()}"):
        ports.settle({}, {"postgres": taken}, ())


def test_a_pin_wins_over_what_is_remembered() -> None:
    chosen, _ = ports.settle({}, {}, ())
    [other] = ports.choose(1, chosen.values())
    assert ports.settle(chosen, {"server": other}, ())[0]["server"] == other


def test_the_store_s_admin_has_a_port_that_its_worker_can_add_ten_thousand_to() -> None:
    high = next(port for port in range(65535, 55535, -1) if ports.is_free(port))
    for remembered in ({}, {"s3_admin": high}):
        chosen, notes = ports.settle(remembered, {}, ())
        assert chosen["s3_admin"] <= 55535
        assert notes == []
    assert ports.settle({"s3_admin": high}, {}, {high})[0]["s3_admin"] == high, "a store at work stays where it is"
    assert ports.settle({}, {"s3_admin": high}, ())[0]["s3_admin"] == high, "a pin is a pin"


def test_a_port_that_the_store_s_admin_has_to_give_up_is_not_moved_too_high(tmp_path: Path) -> None:
    supervisor = Supervisor(StackFolder(tmp_path), Options(), Reporter(None))
    supervisor.folder.ensure()
    supervisor.state.ports, _ = ports.settle({}, {}, ())
    moved = set()
    for _ in range(40):  # about a fifth of the ports that a system gives away are too high
        supervisor.move_port("s3_admin")
        moved.add(supervisor.state.ports["s3_admin"])
    assert len(moved) > 1
    assert max(moved) <= 55535
