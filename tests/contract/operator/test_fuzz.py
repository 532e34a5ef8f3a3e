"""Requests nobody would write by hand: the server keeps to its document and never breaks."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

import pytest

from control_room.api.openapi import document
from control_room.api.router import operator_router
from tests.contract.operator.conftest import OPERATOR, Server, Worker

CHECKS = "not_a_server_error,response_schema_conformance,status_code_conformance,content_type_conformance"


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_schemathesis_finds_no_broken_answer(server: Server, worker: Worker, tmp_path: Path) -> None:
    whole = document(list(operator_router().routes))
    # A stream never ends; it has tests of its own.
    del whole["paths"]["/api/v1/events/stream"]
    path = tmp_path / "openapi.json"
    path.write_text(json.dumps(whole))
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("schemathesis")),
        *("run", str(path), "--url", server.url, "-H", f"Authorization: Bearer {OPERATOR}"),
        *("--max-examples", "25", "--seed", "1", "--mode", "all", "--phases", "fuzzing,coverage", "--checks", CHECKS),
        cwd=tmp_path,
        stdout=PIPE,
        stderr=STDOUT,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0, out.decode()[-6000:]
