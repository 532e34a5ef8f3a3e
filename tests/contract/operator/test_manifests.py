"""The duty that makes manifests: one that fails keeps no other back, and ended runs never crowd out others."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from control_room.provenance import keys
from control_room.reactor.manifests import BATCH, REST, ManifestMaker
from tests.contract.operator.conftest import API, Server

BROKEN = """
    create or replace function ops.manifest_environment(p_run_id uuid) returns jsonb
    language plpgsql stable set search_path = '' as $$
    begin
      if p_run_id = (select r.run_id from ops.runs r where r.number = 1) then
        raise exception 'a defect of ours';
      end if;
      return '[]';
    end $$
"""
MENDED = """
    create or replace function ops.manifest_environment(p_run_id uuid) returns jsonb
    language sql stable set search_path = '' as $$ select '[]'::jsonb $$
"""


@dataclass
class SlowClock:
    """Each look at it costs a second; sleeps are noted, and pass at once."""

    now: float = 0.0
    slept: list[float] = field(default_factory=list)

    def monotonic(self) -> float:
        self.now += 1.0
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


async def cancelled_runs(server: Server, count: int) -> None:
    """Runs that have ended."""
    await server.template()
    for number in range(1, count + 1):
        await server.submit()
        answer = await server.operator.post(f"{API}/runs/{number}/cancel", json={"reason": "not needed"})
        assert answer.status_code == 200, answer.text


def with_manifest(server: Server) -> list[int]:
    rows = server.ops.admin.execute("select number from ops.runs where manifest_root is not null order by number")
    return [row[0] for row in rows]


async def test_a_run_whose_manifest_cannot_be_made_is_passed_over_told_and_tried_again(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    await cancelled_runs(server, 3)
    server.ops.admin.execute(BROKEN)
    clock = SlowClock()
    maker = ManifestMaker(server.app.state.context.store, None, clock)
    with caplog.at_level(logging.WARNING, "control_room.reactor"):
        assert await maker.make() is False
    assert with_manifest(server) == [2, 3]
    (line,) = [record.getMessage() for record in caplog.records if "action=manifest" in record.getMessage()]
    run_id = server.ops.value("select run_id::text from ops.runs where number = 1")
    assert line.startswith(f"action=manifest run_id={run_id} next try in ")
    server.ops.admin.execute(MENDED)
    clock.now += 1000
    await maker.make()
    assert with_manifest(server) == [1, 2, 3]


async def test_a_long_line_of_ended_runs_is_worked_off_in_batches_with_rests(server: Server) -> None:
    await cancelled_runs(server, BATCH + 1)
    clock = SlowClock()
    maker = ManifestMaker(server.app.state.context.store, None, clock)
    assert await maker.make() is True
    assert with_manifest(server) == list(range(1, BATCH + 1))
    (rest,) = clock.slept
    assert rest >= REST
    assert await maker.make() is False
    assert (len(with_manifest(server)), len(clock.slept)) == (BATCH + 1, 1)


async def test_a_key_that_cannot_be_used_is_told_and_nothing_is_made_unsigned_instead(
    server: Server, tmp_path: Path
) -> None:
    await cancelled_runs(server, 1)
    path = tmp_path / "signing.key"
    maker = ManifestMaker(server.app.state.context.store, path, SlowClock())
    with pytest.raises(keys.SigningKeyError, match="No such file"):
        await maker.make()
    assert with_manifest(server) == []
    keys.ensure(path)
    await maker.make()
    assert server.ops.value("select key_id from ops.manifests") == keys.key_id(keys.public_of(keys.load(path)))
