"""Installing an engine, from a real repository on loopback or in a folder."""

from __future__ import annotations

import fcntl
import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath

import pytest

from control_room.engines import fetch, install, unpack
from control_room.engines.catalogue import Artifact, Distribution, JavaRange, Tarball, installed_at
from control_room.errors import ControlRoomError

TARBALL = Tarball(keep=("bin", "plugin/wanted"), drop=("plugin/wanted/legacy", "bin/other-machine"))
SHARED = b"a library that two plugins share" * 4000


def archive() -> bytes:
    """As Trino's: what is kept is a hard link to an entry that is not."""
    told = io.BytesIO()
    with tarfile.open(fileobj=told, mode="w:gz") as tar:
        files = {
            "plugin/another/shared.jar": SHARED,
            "plugin/wanted/own.jar": b"own",
            "plugin/wanted/legacy/old.jar": b"old",
            "bin/launcher": b"#!/bin/sh\n",
            "bin/other-machine/launcher": b"binary",
            "secret/unwanted": b"x",
        }
        for name, content in files.items():
            entry = tarfile.TarInfo(f"engine-7/{name}")
            entry.size, entry.mode = len(content), 0o755 if name.startswith("bin") else 0o644
            tar.addfile(entry, io.BytesIO(content))
        link = tarfile.TarInfo("engine-7/plugin/wanted/shared.jar")
        link.type, link.linkname = tarfile.LNKTYPE, "engine-7/plugin/another/shared.jar"
        tar.addfile(link)
    return told.getvalue()


ARCHIVE = archive()


def an_artifact(content: bytes, name: str = "engine", packaging: str = "tar.gz") -> Artifact:
    return Artifact("org.example", name, packaging, "7", len(content), hashlib.sha256(content).hexdigest())


ENGINE = Distribution("engine", "7", "for tests", JavaRange(17), (an_artifact(ARCHIVE),), TARBALL)
JARS = {"a": b"jar a" * 100, "b": b"jar b"}
JAR_ENGINE = Distribution(
    "jars", "7", "for tests", JavaRange(17), tuple(an_artifact(c, n, "jar") for n, c in JARS.items())
)


@dataclass
class Repository:
    """What a repository over HTTP serves, and what it was asked. cut: bytes after which answers break off, in turn."""

    files: dict[str, bytes]
    cut: list[int] = field(default_factory=list)
    ranges: list[str | None] = field(default_factory=list)
    url: str = ""

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        wanted = handler.headers["Range"]
        self.ranges.append(wanted)
        content = self.files.get(handler.path)
        if content is None:
            handler.send_error(404)
            return
        begin = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        handler.send_response(206 if wanted else 200)
        handler.send_header("Content-Length", str(len(content) - begin))
        handler.end_headers()
        end = begin + self.cut.pop(0) if self.cut else len(content)
        handler.wfile.write(content[begin:end])
        handler.close_connection = True


@pytest.fixture
def repository() -> Iterator[Repository]:
    served = Repository({f"/{ENGINE.artifacts[0].path}": ARCHIVE})

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.answer(self)

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        served.url = f"http://127.0.0.1:{server.server_address[1]}"
        yield served
        server.shutdown()


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


def quiet(what: str, done: int, total: int | None) -> None:
    pass


def in_folder(root: Path, artifact: Artifact, content: bytes) -> str:
    path = root / artifact.path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return str(root)


def below(home: Path) -> set[str]:
    return {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()}


def test_what_is_kept_is_whole_and_the_rest_is_gone(repository: Repository, tmp_path: Path) -> None:
    home = install.install(ENGINE, quiet, repository.url, tmp_path)
    assert below(home) == {"bin/launcher", "plugin/wanted/own.jar", "plugin/wanted/shared.jar", "installed.json"}
    assert (home / "plugin/wanted/shared.jar").read_bytes() == SHARED
    assert (home / "bin/launcher").stat().st_mode & 0o100
    assert installed_at(ENGINE, tmp_path) == home
    assert not list(tmp_path.glob(".fetched/*"))
    assert not list(tmp_path.glob(".new*"))


def test_what_is_installed_is_not_fetched_again(repository: Repository, tmp_path: Path) -> None:
    first = install.install(ENGINE, quiet, repository.url, tmp_path)
    assert install.install(ENGINE, quiet, repository.url, tmp_path) == first
    assert len(repository.ranges) == 1


def test_a_broken_connection_is_resumed_where_it_ended(repository: Repository, tmp_path: Path) -> None:
    repository.cut = [100, 50]
    install.install(ENGINE, quiet, repository.url, tmp_path)
    assert repository.ranges == [None, "bytes=100-", "bytes=150-"]
    assert installed_at(ENGINE, tmp_path) is not None


def test_an_install_that_was_interrupted_goes_on_with_what_it_has(repository: Repository, tmp_path: Path) -> None:
    def interrupted(what: str, done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    repository.cut = [200]
    with pytest.raises(KeyboardInterrupt):
        install.install(ENGINE, interrupted, repository.url, tmp_path)
    assert installed_at(ENGINE, tmp_path) is None
    install.install(ENGINE, quiet, repository.url, tmp_path)
    assert repository.ranges == [None, "bytes=200-"]


def test_an_install_interrupted_while_unpacking_leaves_nothing_that_looks_installed(
    repository: Repository, tmp_path: Path
) -> None:
    def interrupted(what: str, done: int, total: int | None) -> None:
        if what.startswith("unpacking"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        install.install(ENGINE, interrupted, repository.url, tmp_path)
    assert installed_at(ENGINE, tmp_path) is None
    assert install.ls(tmp_path) == []
    home = install.install(ENGINE, quiet, repository.url, tmp_path)
    assert (home / "plugin/wanted/shared.jar").read_bytes() == SHARED
    assert len(repository.ranges) == 1


def test_another_file_than_is_pinned_is_refused_and_not_kept(repository: Repository, tmp_path: Path) -> None:
    repository.files = {path: b"\0" * len(content) for path, content in repository.files.items()}
    with pytest.raises(ControlRoomError, match="is not what is pinned: sha256") as refused:
        install.install(ENGINE, quiet, repository.url, tmp_path)
    assert repository.url in refused.value.where
    assert installed_at(ENGINE, tmp_path) is None
    assert not list(tmp_path.glob(".fetched/*"))


def test_a_file_that_is_not_there_is_told_with_its_address(repository: Repository, tmp_path: Path) -> None:
    repository.files = {}
    with pytest.raises(ControlRoomError, match="HTTP 404") as refused:
        install.install(ENGINE, quiet, repository.url, tmp_path)
    assert refused.value.where.endswith("/org/example/engine/7/engine-7.tar.gz")


def test_jars_come_from_a_folder_and_stay_jars(tmp_path: Path) -> None:
    for artifact in JAR_ENGINE.artifacts:
        in_folder(tmp_path / "repository", artifact, JARS[artifact.name])
    home = install.install(JAR_ENGINE, quiet, str(tmp_path / "repository"), tmp_path / "cache")
    assert below(home) == {"jars/a-7.jar", "jars/b-7.jar", "installed.json"}


def test_a_folder_that_lacks_an_artifact_is_named(tmp_path: Path) -> None:
    with pytest.raises(ControlRoomError, match=r"org\.example:a:jar:7 is not in that repository"):
        install.install(JAR_ENGINE, quiet, str(tmp_path), tmp_path / "cache")


def test_an_engine_of_other_artifacts_than_are_pinned_is_replaced(tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    for artifact in JAR_ENGINE.artifacts:
        in_folder(repository, artifact, JARS[artifact.name])
    install.install(JAR_ENGINE, quiet, str(repository), tmp_path / "cache")
    newer = replace(JAR_ENGINE, artifacts=(an_artifact(b"newer", "c", "jar"),))
    in_folder(repository, newer.artifacts[0], b"newer")
    assert installed_at(newer, tmp_path / "cache") is None
    home = install.install(newer, quiet, str(repository), tmp_path / "cache")
    assert below(home) == {"jars/c-7.jar", "installed.json"}
    assert not list((tmp_path / "cache").glob(".old*"))


def test_one_install_at_a_time(tmp_path: Path) -> None:
    with (tmp_path / ".engine.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(ControlRoomError, match="another command installs engine right now"):
            install.install(ENGINE, quiet, str(tmp_path), tmp_path)


def test_hard_links_are_counted_once(tmp_path: Path) -> None:
    in_folder(tmp_path / "repository", ENGINE.artifacts[0], ARCHIVE)
    install.install(ENGINE, quiet, str(tmp_path / "repository"), tmp_path)
    [found] = install.ls(tmp_path)
    assert (found.engine, found.version, found.current) == ("engine", "7", False)
    assert found.bytes == len(SHARED) + len(b"own") + len(b"#!/bin/sh\n")


@pytest.mark.parametrize(
    ("path", "kept"),
    [("bin/launcher", True), ("bin/other-machine/launcher", False), ("plugin/wanted/x/y.jar", True),
     ("plugin/wanted/legacy/old.jar", False), ("plugin/wanted-not/x.jar", False), ("README", False)],
)  # fmt: skip
def test_the_longest_rule_decides(path: str, kept: bool) -> None:
    assert unpack.is_kept(PurePosixPath(path), TARBALL) is kept


def test_mvn_is_asked_for_the_artifacts_alone() -> None:
    told = fetch.pom([an_artifact(b"", "x&y", "tar.gz")])
    assert "<artifactId>x&amp;y</artifactId><version>7</version><type>tar.gz</type>" in told
    assert "<exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion>" in told


def test_the_reason_that_mvn_gives_is_told() -> None:
    output = "\x1b[0m[\x1b[1;31mERROR\x1b[m] Failed to collect: could not find artifact\n[ERROR] -> [Help 1]"
    assert fetch.first_error(output) == "Failed to collect: could not find artifact"
    assert fetch.first_error("") == "it gave no reason"
