"""Keys of one run: the executor's own, narrowed by the store (AWS STS AssumeRole) to what the run declares.

A connection that names a ``role_arn`` gives each run keys that read its inputs and write nothing but its own staging
files; ``session_seconds`` (3600 unless set) is how long they last. Commits go on with the executor's keys.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from contract import models
from contract.errors import make
from executors.runtime.connections import Connection, connection_for, roots
from executors.runtime.delta_storage import DEFAULT_REGION, s3_code, split_uri
from executors.runtime.failures import TaskError
from executors.runtime.places import part_name, read_places, staging_place

SESSION_SECONDS = 3600
SHORTEST_SECONDS, LONGEST_SECONDS = 900, 43_200
POLICY_LIMIT = 2048  # characters, of AWS and of SeaweedFS
PASSING = frozenset({"InternalError", "InternalFailure", "ServiceUnavailable", "SlowDown", "Throttling", "503", "500"})
WORKSPACES = "_ws"  # as ops.workspace_root
ASKED_OF = ("role_arn", "session_seconds", "sts_endpoint")
ICEBERG = "iceberg"
Json = dict[str, Any]


def run_connections(run: models.ClaimedRun, connections: Mapping[str, Connection]) -> dict[str, Connection]:
    """The connections with keys of this run where they name a role, as they are where not; never with a catalog, in
    which tables are committed.

    Raises TaskError (external, run_keys_refused), or Unavailable when the store does not answer.
    """
    return {
        name: _narrowed(connection, run, connections) if connection.get("role_arn") else _without_catalog(connection)
        for name, connection in connections.items()
    }


def _without_catalog(connection: Connection) -> Connection:
    if connection.get("kind") != ICEBERG:
        return connection
    return {name: value for name, value in connection.items() if name != "catalog"}


def _narrowed(connection: Connection, run: models.ClaimedRun, connections: Mapping[str, Connection]) -> Connection:
    inputs = [item for item in run.inputs if item.uri and _is_of(item.uri, connection, connections)]
    outputs = [item for item in run.outputs if _is_of(item.uri, connection, connections)]
    objects = [str(item.uri) for item in inputs if item.kind == "object"]
    reads = [place for item in inputs if item.kind != "object" for place in _places(item, connection, run.workspace)]
    writes = [staging_place(item.uri, str(item.format or "delta"), connection) for item in outputs]
    part = part_name({"run_id": run.run_id, "epoch": run.epoch}, 0).removesuffix("00000") + "*"
    document = policy(reads, writes, part, objects)
    if len(document) > POLICY_LIMIT:  # too many to be named one by one: all of the workspace, and no more be written
        if connection.get("kind") == ICEBERG:
            document = wide_iceberg_policy(connection, run.workspace, f"*/data/{part}")
        else:
            document = wide_policy(str(connection["root"]), run.workspace, reads + writes + objects, f"*{part}")
    keys = assume(connection, document, f"run-{run.run_id}")
    kept = {name: value for name, value in _without_catalog(connection).items() if name not in ASKED_OF}
    return kept | {
        "access_key": keys["AccessKeyId"],
        "secret_key": keys["SecretAccessKey"],
        "session_token": keys["SessionToken"],
    }


def _places(item: models.RunInput, connection: Connection, workspace: str) -> list[str]:
    """The folders of a table input; of the files that runs published only those of the run's own workspace."""
    if item.format != ICEBERG:
        return [str(item.uri)]
    own, *published = read_places(str(item.uri), connection)
    namespaces = [place.split("/")[-3] for place in published]
    space = namespace_prefix(workspace)
    return [
        own,
        *(
            place
            for place, namespace in zip(published, namespaces, strict=True)
            if (namespace.startswith(space) if space else not namespace.startswith("ws_"))
        ),
    ]


def namespace_prefix(workspace: str) -> str:
    """By which the Iceberg namespaces of a workspace begin, '' for ``default``: as ops.workspace_namespace."""
    return "" if workspace == "default" else f"ws_{workspace.replace('_', '_u').replace('-', '_h')}__"


def _is_of(uri: str, connection: Connection, connections: Mapping[str, Connection]) -> bool:
    try:
        return connection_for(uri, connections) is connection
    except TaskError:  # of no declared connection: the task will be told when it uses the table
        return False


def policy(reads: list[str], writes: list[str], staged: str, objects: Sequence[str] = ()) -> str:
    """The session policy: read below ``reads`` and the ``objects``, put and read files named ``staged`` directly below
    ``writes``.

    All are s3:// URIs. With none, the keys open nothing.
    """
    single = [_arn(*split_uri(uri), "") for uri in objects]
    tables = [split_uri(uri) for uri in reads]
    parts = [_arn(*split_uri(uri), staged) for uri in writes]
    statements = [_allow(["s3:GetObject"], [_arn(*table, "*") for table in tables] + single + parts)]
    statements.append(_allow(["s3:PutObject"], parts))
    for bucket in sorted({bucket for bucket, _ in tables}):
        prefixes = ["/".join(filter(None, (prefix, "*"))) for found, prefix in tables if found == bucket]
        listing = _allow(["s3:ListBucket"], [f"arn:aws:s3:::{bucket}"])
        statements.append(listing | {"Condition": {"StringLike": {"s3:prefix": prefixes}}})
    given = [statement for statement in statements if statement["Resource"]]
    nothing = {"Effect": "Deny", "Action": ["s3:*"], "Resource": ["*"]}
    return json.dumps({"Version": "2012-10-17", "Statement": given or [nothing]}, separators=(",", ":"))


def wide_policy(root: str, workspace: str, tables: list[str], staged: str) -> str:
    """The session policy for tables too many to be named: all of the run's workspace below ``root``.

    Tables of ``default`` lie anywhere but below a folder _ws, those of another workspace below _ws/<workspace>; tables
    of the latter that lie elsewhere are left out. Runs of ``default`` can list names below _ws, and open nothing there.
    """
    if workspace != "default":
        own = f"/{WORKSPACES}/{workspace}/"
        roots = sorted({uri[: uri.index(own) + len(own) - 1] for uri in tables if own in uri})
        return policy(roots, roots, staged)
    document = json.loads(policy([root], [root], staged))
    bucket, prefix = split_uri(root)
    others = _arn(bucket, prefix, f"{WORKSPACES}/*"), _arn(bucket, prefix, f"*/{WORKSPACES}/*")
    document["Statement"].append(_allow(["s3:GetObject", "s3:PutObject"], [*others]) | {"Effect": "Deny"})
    return json.dumps(document, separators=(",", ":"))


def wide_iceberg_policy(connection: Connection, workspace: str, staged: str) -> str:
    """The same for Iceberg tables, of which a workspace other than ``default`` has those whose namespaces begin with
    its name (as ops.planned_outputs encodes it)."""
    own = namespace_prefix(workspace)
    storage = split_uri(str(connection["storage_root"]))
    places = dict.fromkeys([storage, *(split_uri(root) for root in roots(connection) if root.startswith("s3://"))])
    statements = [
        _allow(["s3:GetObject"], [_arn(*place, f"{own}*") for place in places]),
        _allow(["s3:PutObject"], [_arn(*storage, f"{own}{staged}")]),
    ]
    for bucket, prefix in places:
        prefixes = {"StringLike": {"s3:prefix": ["/".join(filter(None, (prefix, f"{own}*")))]}}
        statements.append(_allow(["s3:ListBucket"], [f"arn:aws:s3:::{bucket}"]) | {"Condition": prefixes})
    if not own:
        others = _allow(["s3:GetObject", "s3:PutObject"], [_arn(*place, "ws_*") for place in places])
        statements.append(others | {"Effect": "Deny"})
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, separators=(",", ":"))


def _allow(actions: list[str], resources: list[str]) -> Json:
    return {"Effect": "Allow", "Action": actions, "Resource": resources}


def _arn(bucket: str, prefix: str, name: str) -> str:
    return "arn:aws:s3:::" + "/".join(filter(None, (bucket, prefix, name)))


def assume(connection: Connection, document: str, session: str) -> Json:
    """Ask the store for keys under this policy; see :func:`run_connections` for what it raises."""
    # slow to load: only where keys are narrowed
    from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError

    seconds = _session_seconds(connection)
    try:
        answer = _client(connection).assume_role(
            RoleArn=str(connection["role_arn"]),
            RoleSessionName=session[:64],
            DurationSeconds=seconds,
            Policy=document,
        )
    except (ClientError, BotoCoreError, ValueError) as error:  # ValueError: an endpoint that is no URL
        text = f"the store at {connection.get('endpoint') or 'AWS'} gave no keys for the run: {error}"
        passing = isinstance(error, ConnectionError | HTTPClientError)
        if passing or (isinstance(error, ClientError) and s3_code(error) in PASSING):
            raise make("object_store_unavailable", text) from error
        text += "; check role_arn, keys and endpoint of the connection"
        raise TaskError("external", "run_keys_refused", text) from error
    keys: Json = answer["Credentials"]
    return keys


def _session_seconds(connection: Connection) -> int:
    given = connection.get("session_seconds") or SESSION_SECONDS
    if not isinstance(given, int) or not SHORTEST_SECONDS <= given <= LONGEST_SECONDS:
        raise TaskError(
            "external",
            "run_keys_refused",
            f"session_seconds of a connection must be a whole number from {SHORTEST_SECONDS} to {LONGEST_SECONDS}, "
            f"not {given!r}; correct the connections file of the executor",
        )
    return given


def _client(connection: Connection) -> Any:
    import boto3
    from botocore.config import Config

    return boto3.session.Session().client(
        "sts",
        endpoint_url=connection.get("sts_endpoint") or connection.get("endpoint") or None,
        region_name=connection.get("region") or DEFAULT_REGION,
        aws_access_key_id=connection.get("access_key") or None,
        aws_secret_access_key=connection.get("secret_key") or None,
        config=Config(connect_timeout=5, read_timeout=20, retries={"total_max_attempts": 2}),
    )
