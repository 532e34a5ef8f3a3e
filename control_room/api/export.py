"""Write the operator plane's OpenAPI document: `python -m control_room.api.export [--check]`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from control_room.api.openapi import document
from control_room.api.router import operator_router

TARGET = Path(__file__).with_name("openapi.json")


def rendered() -> str:
    """The document as committed."""
    return json.dumps(document(list(operator_router().routes)), indent=2, ensure_ascii=False) + "\n"


def main(arguments: list[str]) -> int:
    """Write the file, or with --check compare it. Returns the exit code."""
    text = rendered()
    if "--check" not in arguments:
        TARGET.write_text(text, "utf-8")
        return 0
    if TARGET.is_file() and TARGET.read_text("utf-8") == text:
        return 0
    sys.stderr.write(f"{TARGET.name} is not what the code says; run `python -m control_room.api.export`\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
