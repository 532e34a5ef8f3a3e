"""The sweeper was away for twice a lease: nobody could renew, so nobody is to blame."""

from __future__ import annotations

import pytest

from tests.support.core import Queue, Worker


@pytest.mark.parametrize("lease_seconds", [10, 20, 60])
def test_after_an_outage_of_twice_the_lease_no_run_is_lost(queue: Queue, lease_seconds: int) -> None:
    queue.template(lease_seconds=lease_seconds)
    queue.submit()
    worker = Worker(queue)
    run = worker.claim_one()
    for _ in range(4):  # the sweeper and the executor at work, for longer than any lease
        queue.forward(lease_seconds / 3)
        assert worker.directive(run) == "continue"
        assert queue.sweep() == []
    queue.forward(2 * lease_seconds)
    assert queue.sweep() == []
    assert worker.directive(run) == "continue"
    assert worker.report(run)["run_state"] == "succeeded"
