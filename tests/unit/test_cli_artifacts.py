"""`artifacts get`: a name that is not there is answered with those that are."""

from __future__ import annotations

import re

import httpx
import pytest

from control_room.client import OperatorClient
from control_room.commands.artifacts import _find
from control_room.errors import MISUSE, REFUSED, ControlRoomError

RUN = "01a1fec1-66b9-736c-bfca-ebc5f17f8cd5"


def server(*names: str) -> OperatorClient:
    """A control room whose run 7 has these artifacts."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/artifacts"):
            items = [{"artifact_id": name, "run_id": RUN, "name": name, "sha256": "a" * 64} for name in names]
            return httpx.Response(200, json={"items": items})
        assert request.url.path.endswith("/runs/7")
        return httpx.Response(200, json={"run_id": RUN, "number": 7, "reused_from": None, "children": []})

    return OperatorClient("http://127.0.0.1:1", "secret", transport=httpx.MockTransport(answer))


@pytest.mark.parametrize(
    ("word", "exit_code", "told"),
    [
        ("7/reprot.html", REFUSED, "run 7 has no artifact 'reprot.html'; did you mean 'report.html'?"),
        ("7/zzz", REFUSED, "run 7 has no artifact 'zzz'; it has: model.bin, report.html"),
        ("nosuch", MISUSE, "'nosuch' is neither RUN/NAME nor an artifact_id"),
        ("7", MISUSE, "7 names a run, not an artifact"),
    ],
)
def test_what_is_no_artifact_is_told_with_those_there_are_and_how_to_list_them(
    word: str, exit_code: int, told: str
) -> None:
    with server("report.html", "model.bin") as client, pytest.raises(ControlRoomError, match=re.escape(told)) as error:
        _find(client, word)
    assert error.value.exit_code == exit_code
    assert "`control-room artifacts ls" in error.value.next_step


def test_a_run_without_artifacts_says_so() -> None:
    with server() as client, pytest.raises(ControlRoomError, match="run 7 has no artifact 'x'; it has none"):
        _find(client, "7/x")
