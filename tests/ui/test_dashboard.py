"""The dashboard in a real browser, on the demo's real runs. The tests themselves are control_room/web/browser-tests."""

from __future__ import annotations

import os
import re
import subprocess

import pytest

from tests.conftest import DemoRun
from tests.support.stack import ROOT
from tests.ui.chromium import WITH_NODE, find_chromium

WEB = ROOT / "control_room" / "web"
SUITES = sorted(path.name for path in (WEB / "browser-tests").glob("*.ui.ts"))


@pytest.fixture(scope="module")
def chromium() -> str:
    return find_chromium()


def login_url(demo: DemoRun) -> str:
    return str(demo.stack.json("login")["url"])


def run_suite(demo: DemoRun, chromium: str, suite: str) -> subprocess.CompletedProcess[str]:
    demo.stack.wait_ready()  # one suite kills the server
    first, second = login_url(demo), login_url(demo)
    environment = os.environ | {
        "UI_URL": first.partition("/login/")[0],
        "UI_LOGIN_URLS": f"{first} {second}",
        "UI_DEMO_RUN": demo.number,
        "UI_SERVER_PID": str(demo.stack.pids("server")[0]),
        "CHROMIUM_PATH": chromium,
        "NO_COLOR": "1",
    }
    command = [WITH_NODE, "npm", "run", "--silent", "test:ui", "--", f"browser-tests/{suite}"]
    return subprocess.run(command, cwd=WEB, env=environment, capture_output=True, text=True, timeout=560)


def test_there_is_a_suite_for_each_part_of_the_dashboard() -> None:
    assert SUITES == [
        "limits.ui.ts",
        "login.ui.ts",
        "looks.ui.ts",
        "outage.ui.ts",
        "provenance.ui.ts",
        "run.ui.ts",
        "runs.ui.ts",
    ]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("suite", SUITES)
def test_the_dashboard_holds_in_a_browser(demo: DemoRun, chromium: str, suite: str) -> None:
    done = run_suite(demo, chromium, suite)
    passed = re.search(r"Tests\s+(\d+) passed \((\d+)\)", done.stdout)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert passed is not None, done.stdout
    assert passed[1] == passed[2], done.stdout
