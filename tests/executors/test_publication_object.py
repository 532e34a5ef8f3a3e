"""A publication becomes the object exactly once, whoever repeats it and whenever."""

from __future__ import annotations

import hashlib
import io
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from contract.models import Publication
from executors.runtime import child_data, object_book
from executors.runtime.commit import NotNowError, publish
from executors.runtime.commit_object import Committer
from executors.runtime.failures import TaskError
from executors.runtime.object_book import Book, book_of, marker_of, put_book, read_book
from tests.executors.lake import ObjectLake, end_of, of_next_epoch, start_commit
from tests.executors.proxy import Proxy
from tests.support.seaweed import Seaweed, object_store, own_object_store  # noqa: F401


@pytest.fixture
def lake(object_store: Seaweed, tmp_path: Path) -> ObjectLake:  # noqa: F811
    return ObjectLake(object_store, tmp_path)


def book(lake: ObjectLake, name: str = "table") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(lake.get(f"{name}.staged/commits.json")["Body"].read())
    return found


def test_a_publication_is_what_the_contract_takes(lake: ObjectLake) -> None:
    job = lake.job({"table": "overwrite"})
    publication = child_data.stage(job, "table", b"bytes")
    Publication.model_validate(publication)
    assert publication["files"][0]["path"] == f"part-{job['run_id']}-1-00000"
    assert (publication["rows"], publication["schema"]) == (0, {})


@pytest.mark.parametrize(
    "data",
    [b"bytes", bytearray(b"bytes"), io.BytesIO(b"bytes"), "path", "file"],
    ids=["bytes", "bytearray", "BytesIO", "path", "file"],
)
def test_bytes_files_and_paths_become_the_object(lake: ObjectLake, data: Any) -> None:
    path = lake.work_dir / "given"
    path.write_bytes(b"bytes")
    with path.open("rb") as file:
        given = {"path": path, "file": file}.get(data, data) if isinstance(data, str) else data
        publication = lake.staged(given, "overwrite")
    assert publish(publication, lake.connection) == {"table_version": 1, "already": False}
    told = lake.get()["Metadata"]
    assert lake.bytes_of() == b"bytes"
    assert told["sha256"] == hashlib.sha256(b"bytes").hexdigest()
    assert (told["ops-version"], told["ops-run"], told["ops-epoch"]) == ("1", publication["app_id"][:36], "1")
    assert sorted(lake.objects("table.staged")) == ["commits.json"]
    assert [path.name for path in lake.work_dir.iterdir()] == ["given"]


@pytest.mark.parametrize(
    "data", ["text", io.StringIO("text"), 7, Path("/no/such/file")], ids=["str", "StringIO", "int", "missing"]
)
def test_what_are_no_bytes_is_refused(lake: ObjectLake, data: Any) -> None:
    with pytest.raises(TaskError, match="'table'") as refused:
        lake.staged(data, "overwrite")
    assert refused.value.failure_class == "user"


def test_a_second_commit_finds_the_version_of_the_first_even_below_newer_ones(lake: ObjectLake) -> None:
    publication = lake.staged(b"1", "overwrite")
    publish(publication, lake.connection)
    assert publish(lake.staged(b"2", "overwrite"), lake.connection)["table_version"] == 2
    assert publish(publication, lake.connection) == {"table_version": 1, "already": True}
    assert lake.bytes_of() == b"2"


def test_a_staged_copy_that_stayed_is_not_published_again(lake: ObjectLake) -> None:
    job = lake.job({"table": "overwrite"})
    publication = child_data.stage(job, "table", b"1") | {"app_id": f"{job['run_id']}/table", "app_version": 1}
    publish(publication, lake.connection)
    child_data.stage(job, "table", b"1")
    publish(lake.staged(b"2", "overwrite"), lake.connection)
    assert publish(publication, lake.connection) == {"table_version": 1, "already": True}
    assert lake.bytes_of() == b"2"


def test_a_marker_of_another_epoch_is_refused(lake: ObjectLake) -> None:
    publication = lake.staged(b"1", "overwrite")
    publish(publication, lake.connection)
    with pytest.raises(TaskError, match="committed under epoch 1, this publication is of epoch 2"):
        publish(of_next_epoch(publication), lake.connection)


def test_an_object_of_somebody_else_is_replaced_by_overwrite_and_refused_by_create(lake: ObjectLake) -> None:
    lake.store.client().put_object(Bucket="lakehouse", Key=f"{lake.folder}/table", Body=b"theirs")
    with pytest.raises(TaskError, match="not of the control room") as refused:
        publish(lake.staged(b"mine", "create"), lake.connection)
    assert (refused.value.failure_class, refused.value.code) == ("user", "object_exists")
    assert lake.bytes_of() == b"theirs"
    assert publish(lake.staged(b"mine", "overwrite"), lake.connection)["table_version"] == 1
    assert lake.bytes_of() == b"mine"


def test_create_is_done_once_and_refuses_the_object_of_another_run(lake: ObjectLake) -> None:
    publication = lake.staged(b"1", "create")
    publish(publication, lake.connection)
    assert publish(publication, lake.connection) == {"table_version": 1, "already": True}
    code, answer = end_of(start_commit(lake.staged(b"2", "create"), lake.connection))
    assert (code, answer["error"]["code"]) == (2, "object_exists")
    assert f"run {publication['app_id'][:36]} put it there" in answer["error"]["message"]
    assert lake.bytes_of() == b"1"


def test_staged_bytes_that_are_not_those_reported_are_not_published(lake: ObjectLake) -> None:
    publication = lake.staged(b"good", "overwrite")
    file = publication["files"][0]
    key = f"{lake.folder}/table.staged/{file['path']}"
    lake.store.client().put_object(Bucket="lakehouse", Key=key, Body=b"evil", Metadata={"sha256": file["sha256"]})
    with pytest.raises(TaskError) as refused:
        publish(publication, lake.connection)
    assert (refused.value.failure_class, refused.value.code) == ("internal", "staged_differs")
    lake.store.client().delete_object(Bucket="lakehouse", Key=key)
    with pytest.raises(TaskError, match="is gone") as refused:
        publish(publication, lake.connection)
    assert refused.value.code == "staged_missing"
    assert lake.objects("table.staged") == []


@pytest.mark.parametrize("path", ["a.staged/b", "a.staged/commits.json"])
def test_an_object_among_staged_ones_is_refused(lake: ObjectLake, path: str) -> None:
    with pytest.raises(TaskError, match="choose another path") as refused:
        lake.staged(b"x", "overwrite", path)
    assert (refused.value.failure_class, refused.value.code) == ("user", "path_reserved")


class Killed(BaseException):
    """The process ends here."""


def killed(*_: Any, **__: Any) -> Any:
    raise Killed


def test_one_killed_between_check_and_commit_leaves_nothing_and_the_next_commits(lake: ObjectLake) -> None:
    publication = lake.staged(b"1", "overwrite")
    with pytest.raises(Killed):
        publish(publication, lake.connection, before_commit=killed)
    assert lake.objects("table.staged") == [publication["files"][0]["path"]]
    assert publish(publication, lake.connection)["already"] is False


def killed_before_writing(lake: ObjectLake, publication: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The commit is in the book, and its writer is gone before it touched the object."""
    with monkeypatch.context() as patch:
        patch.setattr(Committer, "_write", killed)
        with pytest.raises(Killed):
            publish(publication, lake.connection)


def test_one_killed_after_its_commit_has_its_bytes_written_by_whoever_comes_next(
    lake: ObjectLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = lake.staged(b"1", "overwrite")
    killed_before_writing(lake, first, monkeypatch)
    assert book(lake)["written"] is False
    assert publish(first, lake.connection) == {"table_version": 1, "already": True}
    assert lake.bytes_of() == b"1"
    second, third = lake.staged(b"2", "overwrite"), lake.staged(b"3", "overwrite")
    killed_before_writing(lake, second, monkeypatch)
    assert publish(third, lake.connection)["table_version"] == 3
    assert lake.bytes_of() == b"3"
    assert publish(second, lake.connection) == {"table_version": 2, "already": True}
    assert lake.bytes_of() == b"3"


def test_a_writer_that_stalls_after_its_commit_puts_no_old_bytes_over_later_ones(
    lake: ObjectLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    late, later = lake.staged(b"old", "overwrite"), lake.staged(b"new", "overwrite")
    look = Committer._head

    def stalled(committer: Committer) -> Any:
        monkeypatch.setattr(Committer, "_head", look)
        publish(later, lake.connection)
        return look(committer)

    monkeypatch.setattr(Committer, "_head", stalled)
    assert publish(late, lake.connection) == {"table_version": 1, "already": False}
    assert lake.bytes_of() == b"new"
    assert (book(lake)["version"], book(lake)["written"]) == (2, True)


@pytest.mark.parametrize("mode", ["overwrite", "create"])
def test_one_who_is_overtaken_by_another_committer_of_the_same_publication_finds_it_out(
    lake: ObjectLake, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    publication = lake.staged(b"1", mode)
    check = Committer._check_mode

    def overtaken(committer: Committer) -> None:
        monkeypatch.setattr(Committer, "_check_mode", check)
        publish(publication, lake.connection)
        check(committer)

    monkeypatch.setattr(Committer, "_check_mode", overtaken)
    assert publish(publication, lake.connection) == {"table_version": 1, "already": True}
    assert lake.bytes_of() == b"1"


@pytest.mark.parametrize("name", ["commits.json", "part-another-1-00000", "sub/{own}"])
def test_a_report_that_names_a_file_of_others_is_refused(lake: ObjectLake, name: str) -> None:
    """The code of a run can send a report's publications itself; the committer's keys are wider than the run's."""
    publication = lake.staged(b"1", "overwrite")
    (file,) = publication["files"]
    odd = publication | {"files": [file | {"path": name.format(own=file["path"])}]}
    with pytest.raises(TaskError, match="none that this attempt staged"):
        publish(odd, lake.connection)
    assert publish(publication, lake.connection)["already"] is False


def test_a_commit_whose_answer_is_lost_is_found_and_not_repeated(lake: ObjectLake) -> None:
    publish(lake.staged(b"0", "overwrite"), lake.connection)
    publication = lake.staged(b"1", "overwrite")
    proxy = Proxy(lake.store.ports["s3.port"])
    try:
        through = lake.connection | {"endpoint": proxy.url}
        lose = lambda: proxy.lose_answer("/table.staged/commits.json")  # noqa: E731
        answer = publish(publication, through, before_commit=lose)
    finally:
        proxy.close()
    assert proxy.lost == 1
    assert answer == {"table_version": 2, "already": True}
    assert (lake.bytes_of(), book(lake)["version"]) == (b"1", 2)


@pytest.mark.parametrize("same", [True, False], ids=["the same bytes", "other bytes"])
def test_many_committers_of_one_object_count_each_publication_once(
    lake: ObjectLake, pool: ThreadPoolExecutor, same: bool
) -> None:
    """The same bytes have the same ETag: the condition on the object alone would let several win."""
    publications = [lake.staged(b"same" if same else str(n).encode(), "overwrite") for n in range(8)]

    def commit(publication: dict[str, Any]) -> dict[str, Any]:
        try:
            return publish(publication, lake.connection, patience_seconds=200)
        except TaskError as error:
            return {"table_version": 0, "already": True, "refused": error.message}

    answers = list(pool.map(commit, [*publications] * 2))
    assert [answer["refused"] for answer in answers if "refused" in answer] == []
    assert sorted(a["table_version"] for a in answers) == sorted([*range(1, 9), *range(1, 9)])
    assert sorted(a["table_version"] for a in answers if not a["already"]) == list(range(1, 9))
    found = book(lake)
    last = next(p for p, a in zip(publications, answers, strict=False) if a["table_version"] == 8)
    assert (found["version"], found["written"], len(found["markers"])) == (8, True, 8)
    assert lake.get()["Metadata"]["sha256"] == last["files"][0]["sha256"]
    assert lake.objects("table.staged") == ["commits.json"]


@pytest.mark.parametrize("same", [True, False], ids=["the same bytes", "other bytes"])
def test_a_writer_paused_between_check_and_commit_looks_again(lake: ObjectLake, same: bool) -> None:
    paused, other = lake.staged(b"1", "overwrite"), lake.staged(b"1" if same else b"2", "overwrite")
    pauses = iter([lambda: publish(other, lake.connection)])
    answer = publish(paused, lake.connection, before_commit=lambda: next(pauses, lambda: None)())
    assert answer == {"table_version": 2, "already": False}
    assert [marker[0] for marker in book(lake)["markers"]] == [marker_of(p["app_id"]) for p in (paused, other)]
    assert (lake.bytes_of(), lake.get()["Metadata"]["ops-version"]) == (b"1", "2")
    assert publish(other, lake.connection) == {"table_version": 1, "already": True}


def test_processes_that_race_on_one_object_make_exactly_as_many_versions_as_publications(lake: ObjectLake) -> None:
    publications = [lake.staged(str(n % 2).encode(), "overwrite") for n in range(4)]
    running = [start_commit(p, lake.connection) for p in [*publications, *publications]]
    ends = [end_of(process) for process in running]
    assert [code for code, _ in ends] == [0] * 8
    assert sorted(answer["table_version"] for _, answer in ends) == [1, 1, 2, 2, 3, 3, 4, 4]
    assert book(lake)["version"] == 4


def test_two_creators_that_both_saw_nothing_have_one_winner(lake: ObjectLake, pool: ThreadPoolExecutor) -> None:
    both = threading.Barrier(2)
    passed = threading.local()

    def meet() -> None:
        if not getattr(passed, "once", False):
            passed.once = True
            both.wait(60)

    def create(data: bytes) -> str:
        try:
            publish(lake.staged(data, "create"), lake.connection, before_commit=meet)
        except TaskError as error:
            return error.code
        return "created"

    assert sorted(pool.map(create, [b"1", b"1"])) == ["created", "object_exists"]
    assert book(lake)["version"] == 1


def recorded(moment: datetime) -> dict[str, str]:
    return {"recorded_at": moment.isoformat()}


def test_64_markers_are_kept_and_what_was_pushed_out_is_not_committed_again(
    lake: ObjectLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_book, "KEPT_FOR", timedelta(0))
    publication = lake.staged(b"1", "overwrite") | recorded(datetime.now(UTC))
    publish(publication, lake.connection)
    others = read_book(lake.store.client(), lake.uri())
    for n in range(63):
        others = others.with_commit(f"run/{n}", 1, others.current, datetime.now(UTC))
    put_book(lake.store.client(), lake.uri(), replace(others, written=True))
    assert publish(publication, lake.connection) == {"table_version": 1, "already": True}
    publish(lake.staged(b"the 65th", "overwrite"), lake.connection)
    assert len(book(lake)["markers"]) == 64
    with pytest.raises(TaskError, match="cannot be known any more") as refused:
        publish(publication, lake.connection)
    assert (refused.value.failure_class, refused.value.code) == ("external", "publication_unknown")
    later = lake.staged(b"later", "overwrite") | recorded(datetime.now(UTC) + timedelta(hours=1))
    assert publish(later, lake.connection)["table_version"] == 66


def test_young_markers_stay_however_many_they_are() -> None:
    now, found = datetime.now(UTC), Book()
    for n in range(200):
        found = found.with_commit(f"run/{n}", 1, {}, now)
    assert (len(found.markers), found.dropped, found.version) == (200, None, 200)
    old = found.with_commit("run/late", 1, {}, now + timedelta(hours=2))
    assert (len(old.markers), old.dropped) == (64, now.isoformat())
    assert old.found("run/late") == (marker_of("run/late"), 1, 201, (now + timedelta(hours=2)).isoformat())
    assert book_of(json.loads(old.text()), "etag").markers == old.markers


def test_an_object_input_is_the_bytes_of_its_version_or_says_what_replaced_it(lake: ObjectLake) -> None:
    first = lake.staged(b"1", "overwrite")
    publish(first, lake.connection)
    record = {"name": "report", "kind": "object", "format": "object", "uri": lake.uri(), "version": 1}
    record |= {"sha256": first["files"][0]["sha256"], "size": 1}
    job = lake.job() | {"inputs": [record]}
    assert child_data.object_path(job, "report").read_bytes() == b"1"
    second = lake.staged(b"2", "overwrite")
    publish(second, lake.connection)
    assert child_data.object_path(job, "report").read_bytes() == b"1"  # the run has its copy
    (lake.work_dir / "other").mkdir()
    with pytest.raises(TaskError, match=f"version 2, of run {second['app_id'][:36]}") as refused:
        child_data.object_path(job | {"work_dir": str(lake.work_dir / "other")}, "report")
    assert (refused.value.failure_class, refused.value.code) == ("user", "input_replaced")
    with pytest.raises(TaskError, match="is an object, no table"):
        child_data.read_table(job, "report")


def test_a_store_that_is_down_asks_to_come_back_later(own_object_store: Seaweed, tmp_path: Path) -> None:  # noqa: F811
    lake = ObjectLake(own_object_store, tmp_path)
    publication = lake.staged(b"1", "overwrite")
    own_object_store.stop()
    with pytest.raises(NotNowError):
        publish(publication, lake.connection, patience_seconds=0)
    own_object_store.start()
    assert publish(publication, lake.connection)["already"] is False
