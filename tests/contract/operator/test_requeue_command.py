"""`control-room runs requeue` against a real server: it names the epoch that it saw."""

from __future__ import annotations

from pathlib import Path

from control_room.errors import REFUSED
from tests.contract.operator.conftest import Server, Worker
from tests.contract.operator.test_submit_command import command

REQUEUE = ("runs", "requeue")


async def test_a_requeue_revokes_the_epoch_that_the_run_shows(server: Server, worker: Worker, tmp_path: Path) -> None:
    code, out, err = await command(server, tmp_path, str(worker.run["number"]), "--force", verb=REQUEUE)
    assert (code, err) == (0, "")
    assert "run 1 is queued; epoch 2" in out


async def test_a_run_that_nobody_holds_is_said_to_be_so(server: Server, tmp_path: Path) -> None:
    await server.template()
    run = await server.submit()
    code, _, err = await command(server, tmp_path, str(run["number"]), "--force", verb=REQUEUE)
    assert code == REFUSED
    assert "run 1 is queued; only a run that an executor holds can be requeued" in err
