"""The keys that a run gets open its own tables alone, whatever its code tries."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.stack import Stack

THIEF = """
import boto3, json
import pyarrow as pa
from botocore.exceptions import ClientError
from deltalake import DeltaTable

def make(context):
    context.publish("mine", pa.table({"n": [1, 2, 3]}))

def client(kind, connection):
    return boto3.client(kind, endpoint_url=connection["endpoint"], region_name=connection["region"],
        aws_access_key_id=connection["access_key"], aws_secret_access_key=connection["secret_key"],
        aws_session_token=connection["session_token"])

def tried(call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return "done"

def steal(context):
    connection = context.connections["lakehouse"]
    s3, sts = client("s3", connection), client("sts", connection)
    lake, own = {"Bucket": "lakehouse"}, f"out/part-{context.run_id}-{context.epoch}-00000.parquet"
    role = {"RoleArn": "arn:aws:iam::role/run", "RoleSessionName": "again"}
    context.publish("theft", pa.table({"n": [1]}))
    return {
        "rows": context.read_table("mine").num_rows,
        "read own file": tried(s3.head_object, **lake, Key=own),
        "list input": tried(s3.list_objects_v2, **lake, Prefix="in/mine/_delta_log/"),
        "write input": tried(s3.put_object, **lake, Key="in/mine/x", Body=b"1"),
        "delete input": tried(s3.delete_object, **lake, Key="in/mine/_delta_log/00000000000000000000.json"),
        "commit output": tried(s3.put_object, **lake, Key="out/_delta_log/00000000000000000000.json", Body=b"1"),
        "other run's part": tried(s3.put_object, **lake, Key="out/part-0-1-0.parquet", Body=b"1"),
        "read another table": tried(s3.get_object, **lake, Key="other/secret"),
        "list all": tried(s3.list_objects_v2, **lake),
        "artifacts": tried(s3.list_objects_v2, Bucket="artifacts"),
        "the role again": tried(sts.assume_role, **role),
        "federation": tried(sts.get_federation_token, Name="again"),
        "role_arn": connection.get("role_arn", "none"),
    }
"""
ALLOWED = {"rows": 3, "read own file": "done", "list input": "done", "role_arn": "none"}


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    stack = Stack(tmp_path / ".control-room")
    try:
        stack.run("up", "--executors", "python=1")
        yield stack
    finally:
        stack.run("down", "--drain", "1", check=False)


def apply(stack: Stack, folder: Path) -> None:
    (folder / "code").mkdir(parents=True)
    (folder / "code" / "thief.py").write_text(THIEF)
    shared: dict[str, Any] = {"kind": "python", "bundle": "code", "connections": ["lakehouse"]}
    delta = {"format": "delta", "mode": "overwrite"}
    steal: dict[str, Any] = shared | {"name": "steal", "entrypoint": "thief:steal"}
    specs: list[dict[str, Any]] = [
        shared | {"name": "make", "entrypoint": "thief:make", "outputs": [delta | {"name": "mine", "path": "in/mine"}]},
        steal | {"inputs": [{"name": "mine", "kind": "table"}], "outputs": [delta | {"name": "theft", "path": "out"}]},
        {
            "name": "heist",
            "kind": "pipeline",
            "tasks": {
                "make": {"template": "make"},
                "steal": {"template": "steal", "depends_on": ["make"], "inputs": {"mine": "make.mine"}},
            },
        },
    ]
    for spec in specs:
        (folder / f"{spec['name']}.yaml").write_text(yaml.safe_dump(spec))
    stack.run("templates", "apply", str(folder))


def test_the_keys_of_a_run_read_its_inputs_stage_its_outputs_and_open_nothing_else(
    stack: Stack, tmp_path: Path
) -> None:
    apply(stack, tmp_path / "templates")
    done = json.loads(stack.run("submit", "heist", "--follow", "--json", check=False).stdout)
    assert done["state"] == "succeeded", done
    result = stack.runs(str(done["number"]))["steal"]["result"]
    assert {name: result.pop(name) for name in ALLOWED} == ALLOWED
    assert set(result.values()) == {"AccessDenied"}, result
