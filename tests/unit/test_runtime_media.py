"""Media types of files, keys and addresses."""

import pytest

from executors.runtime.media import guess_media_type


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("report.html", "text/html"),
        ("task.ipynb", "application/x-ipynb+json"),
        ("s3://lakehouse/a.csv/part.parquet", "application/vnd.apache.parquet"),
        ("models/v1.2/weights", "application/octet-stream"),
        ("run.log", "text/plain"),
        ("models/parquet", "application/octet-stream"),
        (".log", "application/octet-stream"),
        ("", "application/octet-stream"),
    ],
)
def test_a_media_type_is_that_of_the_last_part_s_suffix(name: str, media_type: str) -> None:
    assert guess_media_type(name) == media_type
