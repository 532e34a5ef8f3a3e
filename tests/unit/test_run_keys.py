"""The policy of a run's keys, and what becomes of a connection."""

from __future__ import annotations

import json

from executors.runtime.run_keys import policy

STAGED = "part-r-1-*"


def test_inputs_may_be_read_and_listed_and_outputs_get_files_of_this_attempt_alone() -> None:
    found = json.loads(policy(["s3://lake/in/a", "s3://lake/in/b"], ["s3://lake/out"], STAGED))
    out = "arn:aws:s3:::lake/out/part-r-1-*"
    reading, writing, listing = found["Statement"]
    assert reading["Resource"] == ["arn:aws:s3:::lake/in/a/*", "arn:aws:s3:::lake/in/b/*", out]
    assert (writing["Action"], writing["Resource"]) == (["s3:PutObject"], [out])
    assert listing["Condition"] == {"StringLike": {"s3:prefix": ["in/a/*", "in/b/*"]}}


def test_a_run_without_tables_gets_keys_that_open_nothing() -> None:
    (only,) = json.loads(policy([], [], STAGED))["Statement"]
    assert (only["Effect"], only["Resource"]) == ("Deny", ["*"])


def test_a_table_at_the_root_of_a_bucket_has_no_empty_part_in_its_name() -> None:
    found = json.loads(policy(["s3://lake"], ["s3://lake"], "*"))
    assert [statement["Resource"] for statement in found["Statement"]] == [
        ["arn:aws:s3:::lake/*", "arn:aws:s3:::lake/*"],
        ["arn:aws:s3:::lake/*"],
        ["arn:aws:s3:::lake"],
    ]
