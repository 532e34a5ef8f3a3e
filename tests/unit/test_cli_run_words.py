"""What `runs show` says of a run: how far it is, and the numbers that it recorded."""

from __future__ import annotations

from control_room.commands.runs import metrics_text, place_text, progress_text


def test_progress_is_a_percentage_and_a_message_as_far_as_they_are_told() -> None:
    assert progress_text({"fraction": 0.475, "message": "step 95 of 200"}) == "48% step 95 of 200"
    assert progress_text({"message": "reading"}) == "reading"
    assert progress_text({"fraction": 0.0}) == "0%"
    assert progress_text(None) == ""


def test_metrics_are_those_of_the_newest_attempt_by_name() -> None:
    attempts = [{"metrics": {"old": 1}}, {"metrics": {"rows": 42, "loss": 0.125}}]
    assert metrics_text(attempts) == "loss=0.125, rows=42"
    assert metrics_text([{"metrics": None}]) == ""
    assert metrics_text([]) == ""


def test_a_publication_lies_at_its_address_and_where_its_files_are() -> None:
    table = {"uri": "iceberg://lakehouse/gold/t", "location": "s3://warehouse/gold/t"}
    assert place_text(table) == "iceberg://lakehouse/gold/t (s3://warehouse/gold/t)"
    assert place_text({"uri": "s3://lakehouse/t", "location": None}) == "s3://lakehouse/t"
    assert place_text({"uri": "s3://lakehouse/t", "location": "s3://lakehouse/t"}) == "s3://lakehouse/t"
    assert place_text({"uri": "s3://lakehouse/t"}) == "s3://lakehouse/t"
