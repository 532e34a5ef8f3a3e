"""An object that is to be created never takes the place of somebody else's, and its bytes wait where they should."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest

from executors.runtime.commit import publish
from executors.runtime.commit_object import Committer
from executors.runtime.failures import TaskError
from executors.runtime.object_book import read_book
from tests.executors.lake import ObjectLake, end_of, start_commit
from tests.support.seaweed import Seaweed, object_store  # noqa: F401


@pytest.fixture
def lake(object_store: Seaweed, tmp_path: Path) -> ObjectLake:  # noqa: F811
    return ObjectLake(object_store, tmp_path)


def theirs(lake: ObjectLake) -> None:
    """Somebody who knows nothing of the control room puts an object there."""
    lake.store.client().put_object(Bucket="lakehouse", Key=f"{lake.folder}/table", Body=b"theirs")


def refused_as_existing(lake: ObjectLake, publication: dict[str, Any]) -> None:
    """Whoever commits it gets the same answer, and leaves no trace of a commit."""
    code, answer = end_of(start_commit(publication, lake.connection))
    error = answer.get("error") or {}
    assert (code, error.get("class"), error.get("code")) == (2, "user", "object_exists")
    assert lake.bytes_of() == b"theirs"
    book = read_book(lake.store.client(), lake.uri())
    assert (book.found(publication["app_id"]), book.written) == (None, True)


def test_an_object_that_comes_between_check_and_commit_stays(lake: ObjectLake) -> None:
    publication = lake.staged(b"mine", "create")
    with pytest.raises(TaskError, match="not of the control room") as refused:
        publish(publication, lake.connection, before_commit=lambda: theirs(lake))
    assert (refused.value.failure_class, refused.value.code) == ("user", "object_exists")
    refused_as_existing(lake, publication)


def test_an_object_that_comes_between_the_last_look_and_the_write_stays(
    lake: ObjectLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    publication = lake.staged(b"mine", "create")
    write = Committer._write

    def paused(committer: Committer, *given: Any) -> None:
        monkeypatch.setattr(Committer, "_write", write)
        theirs(lake)
        write(committer, *given)

    monkeypatch.setattr(Committer, "_write", paused)
    with pytest.raises(TaskError) as refused:
        publish(publication, lake.connection)
    assert refused.value.code == "object_exists"
    refused_as_existing(lake, publication)


def test_once_the_other_object_is_gone_it_is_created(lake: ObjectLake) -> None:
    publication = lake.staged(b"mine", "create")
    with pytest.raises(TaskError):
        publish(publication, lake.connection, before_commit=lambda: theirs(lake))
    lake.store.client().delete_object(Bucket="lakehouse", Key=f"{lake.folder}/table")
    assert publish(publication, lake.connection) == {"table_version": 2, "already": False}
    assert publish(publication, lake.connection) == {"table_version": 2, "already": True}
    assert lake.bytes_of() == b"mine"


class Killed(BaseException):
    """The process ends here."""


def test_whoever_finishes_for_a_dead_creator_does_not_overwrite_either(
    lake: ObjectLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    created, later = lake.staged(b"mine", "create"), lake.staged(b"later", "overwrite")

    def killed(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Committer, "_write", killed)
        with pytest.raises(Killed):
            publish(created, lake.connection)
    theirs(lake)
    refused_as_existing(lake, created)
    assert publish(later, lake.connection) == {"table_version": 2, "already": False}
    assert lake.bytes_of() == b"later"
    code, answer = end_of(start_commit(created, lake.connection))
    assert (code, answer["error"]["code"]) == (2, "object_exists")
    assert f"run {later['app_id'][:36]} put it there" in answer["error"]["message"]


def test_another_publication_takes_back_what_could_not_be_created(
    lake: ObjectLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    created, later = lake.staged(b"mine", "create"), lake.staged(b"later", "overwrite")
    write = Committer._write

    def overtaken(committer: Committer, *given: Any) -> None:
        monkeypatch.setattr(Committer, "_write", write)
        theirs(lake)
        assert publish(later, lake.connection) == {"table_version": 2, "already": False}
        write(committer, *given)

    monkeypatch.setattr(Committer, "_write", overtaken)
    with pytest.raises(TaskError) as refused:
        publish(created, lake.connection)
    assert refused.value.code == "object_exists"
    assert lake.bytes_of() == b"later"
    told = json.loads(lake.get("table.staged/commits.json")["Body"].read())
    assert (told["version"], len(told["markers"])) == (2, 1)


def open_files(below: Path) -> list[str]:
    links = [each.readlink() for each in Path("/proc/self/fd").iterdir() if each.is_symlink()]
    return [str(link) for link in links if link.is_relative_to(below)]


def test_the_bytes_wait_below_the_temporary_folder_and_leave_nothing_there(
    lake: ObjectLake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "room"
    place.mkdir()
    monkeypatch.setenv("TMPDIR", str(place))
    monkeypatch.setattr(tempfile, "tempdir", None)  # as in a new process
    seen: list[str] = []
    publication = lake.staged(b"1", "overwrite")
    publish(publication, lake.connection, before_commit=lambda: seen.extend(open_files(place)))
    assert len(seen) == 1
    assert (open_files(place), list(place.iterdir())) == ([], [])
