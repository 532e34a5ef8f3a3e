"""The program of executors.command.drill: params as JSON on stdin. Knows nothing of the project."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

TICK_SECONDS = 0.2


def main(params: dict[str, Any], outputs: Path) -> int:
    lines, size = int(params.get("lines", 0)), int(params.get("artifact_bytes", 0))
    for number in range(1, lines + 1):
        say(f"line {number} of {lines} – grüße")
    if size:
        (outputs / "conformance.bin").write_bytes(bytes(index % 251 for index in range(size)))
    end = time.monotonic() + float(params.get("sleep_seconds", 0))
    while (left := end - time.monotonic()) > 0:
        say("tick")
        time.sleep(min(TICK_SECONDS, left))
    (outputs / "result.json").write_text(json.dumps({"lines": lines, "artifact_bytes": size}))
    return 1 if params.get("fail") else 0


def say(text: str) -> None:
    sys.stdout.buffer.write(f"{text}\n".encode())
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main(json.load(sys.stdin), Path("outputs")))
