"""Tables of workspaces are apart: nobody writes into, or has its runs read, what another workspace keeps."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from tests.support.core import Queue, refused

OUTPUTS = [{"name": "o", "format": "delta", "mode": "overwrite", "path": "tables/a_secret/bronze"}]
SET_ROOT = {"key": "lakehouse_root", "value": "s3://lake/house"}


TABLES = [
    ("default", "s3://lake/house/t", True),
    ("default", "s3a://lake/house/t/_ws", False),
    ("default", "s3://lake/house/_ws/a/t", False),
    ("default", "s3a://lake/house/_ws/a/t", False),
    ("default", "S3://lake/house/_ws/a/t", False),
    ("default", "s3://lake/house/_ws", False),
    ("default", "s3://lake/house/", False),
    ("default", "s3://lake", False),
    ("default", "s3://lake/house/%5Fws/a/t", False),
    ("default", "s3://lake/house/*/a/t", False),
    ("default", "s3://lake/house/x/../_ws/a/t", False),
    ("default", "s3://lake/house//_ws/a/t", False),
    ("default", "s3://lake/house/_w?/a/t", False),
    ("default", "s3://lake/house/${aws:username}", False),
    ("a", "s3://lake/house/_ws/a/t", True),
    ("a", "s3a://lake/house/_ws/a/t", True),
    ("a", "s3://lake/house/_ws/ab/t", False),
    ("a", "s3://lake/house/_ws/b/t", False),
    ("a", "s3://lake/house/_ws/a/../b/t", False),
    ("a", "s3://lake/house/t", False),
    ("a", "s3://lake/house/a/t", False),
    ("a", "s3://lake/house", False),
    ("a", "s3://lake/before/_ws/b/t", False),
    ("a", "s3://elsewhere/t", True),
    ("default", "s3://lake/houses/t", True),
    ("default", "gs://elsewhere/*", True),
]


def operator_of(queue: Queue, workspace: str) -> UUID:
    queue.ops.call("put_workspace", queue.operator, {"workspace": workspace})
    return queue.ops.token("operator", workspaces=[workspace])


def uri_of(queue: Queue, workspace: str, **more: Any) -> str:
    operator = queue.operator if workspace == "default" else operator_of(queue, workspace)
    queue.ops.template(operator, "out", outputs=OUTPUTS, workspace=workspace)
    run = queue.ops.submit(operator, "out", workspace=workspace, **more)
    uri: str = run["outputs"][0]["uri"]
    return uri


@pytest.mark.parametrize("more", [{}, {"concurrency_key": "k"}], ids=["plain", "one by one"])
def test_the_same_path_is_another_table_in_each_workspace(queue: Queue, more: dict[str, Any]) -> None:
    queue.ops.call("put_setting", queue.operator, SET_ROOT)
    found = [uri_of(queue, workspace, **more) for workspace in ("default", "a", "b")]
    assert found == [
        "s3://lake/house/tables/a_secret/bronze",
        "s3://lake/house/_ws/a/tables/a_secret/bronze",
        "s3://lake/house/_ws/b/tables/a_secret/bronze",
    ]


@pytest.mark.parametrize("more", [{}, {"concurrency_key": "k"}], ids=["plain", "one by one"])
def test_no_path_begins_with_what_is_reserved_for_workspaces(queue: Queue, more: dict[str, Any]) -> None:
    for path in ("_ws", "_ws/a/tables/a_secret/bronze", "{params.name}/a/t", "{params.name}"):
        queue.template("out", outputs=[OUTPUTS[0] | {"path": path}])
        with refused("OPV02"):
            queue.submit("out", params={"name": "_ws"}, **more)


def test_a_lakehouse_root_cannot_lie_among_the_tables_of_workspaces(queue: Queue) -> None:
    with refused("OPV01"):
        queue.ops.call("put_setting", queue.operator, {"key": "lakehouse_root", "value": "s3://lakehouse/_ws/a"})


def test_a_table_is_named_by_its_own_workspace_alone(queue: Queue) -> None:
    queue.ops.call("put_setting", queue.operator, SET_ROOT)
    with queue.database.connect() as connection:
        asked = "select ops.is_table_for(%s::text, %s::text)"
        found = [(*row[:2], *connection.execute(asked, row[:2]).fetchone()) for row in TABLES]
    assert found == TABLES


def test_a_run_cannot_hand_on_another_workspaces_table(queue: Queue) -> None:
    operator = operator_of(queue, "b")
    token = queue.ops.token("executor", workspaces=["b"])
    queue.ops.template(operator, workspace="b")
    queue.ops.submit(operator, workspace="b")
    (run,) = queue.ops.claim(token, queue.ops.executor(token))

    def begin(name: str, uri: str) -> Any:
        table = {"format": "delta", "uri": uri, "version": 0}
        body = {"epoch": run["epoch"], "name": name, "kind": "table", "table": table}
        return queue.ops.call("begin_artifact", token, run["run_id"], body)

    with refused("OPV01") as error:
        begin("theirs", "s3://lakehouse/_ws/a/tables/a_secret/bronze")
    assert error.members["errors"][0]["path"] == "/table/uri"
    assert begin("own", "s3://lakehouse/_ws/b/t")["state"] == "begun"
