"""The documentation that a dbt run leaves opens as the dashboard shows artifacts: one file, locked into a sandbox."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from control_room.api.headers import ARTIFACT_POLICY
from tests.executors.test_dbt_commands import Plant
from tests.ui.chromium import find_chromium


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """URL of the page of a small project, with the headers of a shown artifact."""
    page = Plant(tmp_path).run().artifacts["index.html"]

    class Shown(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html; charset=utf-8")
            self.send_header("content-security-policy", ARTIFACT_POLICY)
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_: object) -> None:
            """Nothing: the test's output is not its place."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Shown)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()
    server.server_close()


def test_the_page_shows_a_model_with_its_columns(served: str, tmp_path: Path) -> None:
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=20000", "--dump-dom")
    command = [
        find_chromium(),
        *options,
        f"--user-data-dir={tmp_path / 'browser'}",
        f"{served}#!/model/model.plant.daily",
    ]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=120).stdout
    # Of what the page's program made, not of the data that stand in it.
    made = shown[shown.rindex("</script>") :]
    assert "plant.daily" in made or "main.daily" in made
    assert "kwh" in made
