"""What `submit` says of a run that is there."""

from __future__ import annotations

import httpx
import pytest

from control_room.client import OperatorClient
from control_room.commands.submit import _told


def test_a_run_that_is_there_is_told_although_the_server_goes_away_then(capsys: pytest.CaptureFixture[str]) -> None:
    """An exit code of failure would have a script submit it once more."""

    def gone(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with OperatorClient("http://127.0.0.1:1", "secret", transport=httpx.MockTransport(gone)) as client:
        _told(client, {"number": 7, "state": "queued"}, "job", as_json=False)
    said = capsys.readouterr()
    assert "run 7 (job) is queued" in said.out + said.err
