"""Where the tests find a Chromium: the machine's, or one from npm where nobody may install one."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tests.support.stack import ROOT

WITH_NODE = str(ROOT / "infra" / "dev" / "with-node")
FROM_NPM = Path(__file__).parent / "browser"
NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")


def find_chromium() -> str:
    """Path of a Chromium. CHROMIUM_PATH decides where it is set; raises CalledProcessError when npm has none either."""
    on_the_machine = (shutil.which(name) for name in NAMES)
    return os.environ.get("CHROMIUM_PATH") or next(filter(None, on_the_machine), None) or from_npm()


def from_npm() -> str:
    """Install the browser pinned in tests/ui/browser and unpack it. Needs the npm registry the first time."""
    if not (FROM_NPM / "node_modules").is_dir():
        subprocess.run([WITH_NODE, "npm", "ci", "--no-audit", "--no-fund"], cwd=FROM_NPM, check=True, timeout=300)
    unpacked = subprocess.run(
        [WITH_NODE, "node", "print-path.mjs"], cwd=FROM_NPM, check=True, timeout=120, capture_output=True, text=True
    )
    return unpacked.stdout.strip().splitlines()[-1]
