"""Reading the Iceberg inputs of a job, each at its pinned snapshot, with keys of the store alone.

No catalog is asked: of the metadata files in the table's folder the one counts whose current snapshot is the wanted one
(the newest that still holds it, where that is gone). Its name mapping is the one of that time, so that columns which
came, went or changed since do not matter.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from executors.runtime.connections import connection_for
from executors.runtime.delta_storage import is_store_error, reason_of, s3_client, split_uri, store_failed
from executors.runtime.failures import TaskError, not_installed
from executors.runtime.iceberg_storage import file_io_properties
from executors.runtime.records import record_of

if TYPE_CHECKING:
    from pyiceberg.table import DataScan

FOLDER = ".inputs"
SUFFIX = ".metadata.json"
Job = Mapping[str, Any]


def read_table(job: Job, name: str, columns: Sequence[str] | None = None) -> Any:
    """Read a table input at its pinned snapshot, whole or some columns, as a pyarrow Table."""
    with told(job, name):
        return scan(job, name, columns).to_arrow()


def read_batches(job: Job, name: str, columns: Sequence[str] | None = None) -> Any:
    """Stream a table input at its pinned snapshot; memory holds a few batches at a time."""
    with told(job, name):
        return scan(job, name, columns).to_arrow_batch_reader()


def dataset(job: Job, name: str) -> Any:
    """The table input as a pyarrow Dataset, over a copy in the run's work folder.

    Files of an Iceberg table have columns by id, and rows that are deleted beside them: neither is a Dataset's to know,
    so the snapshot is streamed to Parquet once.
    """
    import pyarrow.dataset as ds
    import pyarrow.parquet as pq

    path = Path(job["work_dir"]) / FOLDER / f"{hashlib.sha256(name.encode()).hexdigest()}.parquet"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        part = path.with_name(f"{path.name}.part")
        with told(job, name):
            reader = scan(job, name, None).to_arrow_batch_reader()
            with pq.ParquetWriter(part, reader.schema, compression="zstd") as writer:
                for batch in reader:
                    writer.write_batch(batch)
        part.replace(path)
    return ds.dataset(path, format="parquet")


def scan(job: Job, name: str, columns: Sequence[str] | None) -> DataScan:
    """The table input at its snapshot. Raises TaskError as :func:`executors.runtime.delta_read.dataset`."""
    from pyiceberg.table import StaticTable

    record = record_of(job, "inputs", name)
    location, version = record.get("uri"), record.get("version")
    if not location or version is None:
        message = f"input {name!r} names no table version; bind it to a task's output or to a version"
        raise TaskError("user", "input_not_pinned", message)
    connection = connection_for(str(location), job.get("connections") or {})
    metadata = metadata_file(s3_client(connection), str(location), int(version), name)
    table = StaticTable.from_metadata(metadata, file_io_properties(connection))
    return table.scan(snapshot_id=int(version), selected_fields=tuple(columns) if columns is not None else ("*",))


def metadata_file(client: Any, location: str, snapshot: int, name: str) -> str:
    """The address of the metadata file to read a snapshot by; TaskError (user) when none holds it."""
    bucket, prefix = split_uri(location)
    held = None
    newest_first = metadata_keys(client, bucket, f"{prefix}/metadata/")
    for key in newest_first:
        found = json.loads(client.get_object(Bucket=bucket, Key=key)["Body"].read())
        if found.get("current-snapshot-id") == snapshot:
            return f"s3://{bucket}/{key}"
        if held is None and any(each["snapshot-id"] == snapshot for each in found.get("snapshots") or []):
            held = f"s3://{bucket}/{key}"
    if held is None:
        what = f"has no snapshot {snapshot} any more" if newest_first else "is no Iceberg table"
        code = "input_unreadable" if newest_first else "input_missing"
        raise TaskError("user", code, f"input {name!r}: {location} {what}")
    return held


def metadata_keys(client: Any, bucket: str, prefix: str) -> list[str]:
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    found = [item for page in pages for item in page.get("Contents", []) if item["Key"].endswith(SUFFIX)]
    return [item["Key"] for item in sorted(found, key=lambda item: (item["LastModified"], item["Key"]), reverse=True)]


@contextmanager
def told(job: Job, name: str) -> Iterator[None]:
    """Turn what goes wrong with a table into a TaskError that says which input it is."""
    try:
        yield
    except TaskError:
        raise
    except Exception as error:
        if isinstance(error, ModuleNotFoundError):
            raise not_installed(f"cannot read input {name!r}, an Iceberg table", error) from error
        where = f"input {name!r}: {record_of(job, 'inputs', name).get('uri')} cannot be read"
        if isinstance(error, FileNotFoundError):
            raise TaskError("user", "input_unreadable", f"{where}: {reason_of(error)}") from error
        if is_store_error(error):
            raise store_failed(where, error) from error
        raise TaskError("user", "input_unreadable", f"{where}: {reason_of(error)}") from error
