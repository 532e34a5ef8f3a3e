"""Where an engine's artifacts come from."""

from __future__ import annotations

from pathlib import Path

import pytest

from control_room.engines import sources
from control_room.engines.catalogue import Artifact
from control_room.errors import ControlRoomError

JAR = Artifact("org.example.deep", "thing_2.13", "jar", "1.2.0", 10, "00")


def settings(folder: Path, *mirrors: tuple[str, str], namespace: str = "") -> Path:
    told = "".join(f"<mirror><mirrorOf>{of}</mirrorOf><url>{url}</url></mirror>" for of, url in mirrors)
    path = folder / "settings.xml"
    path.write_text(f"<settings{namespace}><mirrors>{told}</mirrors></settings>")
    return path


def test_a_named_repository_wins_then_mvn_then_the_mirror() -> None:
    mirror = "https://mirror.example/maven"
    assert sources.choose("https://r.example/m", "/usr/bin/mvn", mirror).address == "https://r.example/m"
    assert sources.choose(None, "/usr/bin/mvn", mirror).kind == "mvn"
    assert sources.choose(None, None, mirror) == sources.Source(
        "http", mirror, "the mirror in Maven's settings.xml"
    )  # fmt: skip


def test_with_nothing_to_fetch_with_the_error_says_how_to_get_it() -> None:
    with pytest.raises(ControlRoomError) as refused:
        sources.choose(None, None, None)
    assert "no mvn on PATH" in refused.value.what
    assert "apt install maven" in refused.value.next_step
    assert sources.SETTING in refused.value.next_step


@pytest.mark.parametrize(
    ("address", "kind", "understood"),
    [
        ("https://repo.example/maven2/", "http", "https://repo.example/maven2/"),
        ("http://127.0.0.1:8081/x", "http", "http://127.0.0.1:8081/x"),
        ("file:///srv/a%20b", "folder", "/srv/a b"),
        ("/srv/maven", "folder", "/srv/maven"),
    ],
)
def test_a_repository_is_an_address_or_a_folder(address: str, kind: str, understood: str) -> None:
    found = sources.of_address(address, "--repository")
    assert (found.kind, found.address) == (kind, understood)


@pytest.mark.parametrize("address", ["ftp://repo.example/maven2", "https://", "s3://bucket/maven"])
def test_another_kind_of_address_is_refused(address: str) -> None:
    with pytest.raises(ControlRoomError, match="is no address of a Maven repository"):
        sources.of_address(address, "--repository")


def test_an_artifact_has_its_place_in_the_layout_of_a_maven_repository() -> None:
    source = sources.Source("http", "https://repo.example/maven2/", "--repository")
    expected = "https://repo.example/maven2/org/example/deep/thing_2.13/1.2.0/thing_2.13-1.2.0.jar"
    assert source.url_of(JAR) == expected


@pytest.mark.parametrize("namespace", ["", ' xmlns="http://maven.apache.org/SETTINGS/1.0.0"'])
def test_the_mirror_of_maven_central_is_found_in_the_settings(tmp_path: Path, namespace: str) -> None:
    path = settings(tmp_path, ("internal", "https://no.example"), ("*", "https://yes.example"), namespace=namespace)
    assert sources.mirror_in(path) == "https://yes.example"


def test_settings_without_such_a_mirror_or_that_cannot_be_read_tell_none(tmp_path: Path) -> None:
    assert sources.mirror_in(tmp_path / "missing.xml") is None
    assert sources.mirror_in(settings(tmp_path, ("internal", "https://no.example"))) is None
    (tmp_path / "settings.xml").write_text("<settings><mirrors>")
    assert sources.mirror_in(tmp_path / "settings.xml") is None


@pytest.mark.parametrize(
    ("mirror_of", "stands"),
    [("*", True), ("central", True), ("external:*", True), ("internal,central", True), ("*,!central", False),
     ("internal", False), ("", False), ("*, !internal", True)],
)  # fmt: skip
def test_a_mirror_stands_for_what_it_says(mirror_of: str, stands: bool) -> None:
    assert sources.stands_for_central(mirror_of) is stands


def test_on_a_machine_without_anything_the_environment_decides(tmp_path: Path) -> None:
    nothing = {"PATH": str(tmp_path), "HOME": str(tmp_path)}
    with pytest.raises(ControlRoomError):
        sources.find(None, nothing)
    assert sources.find(None, nothing | {"OPS_MAVEN_URL": str(tmp_path)}).kind == "folder"
    (tmp_path / ".m2").mkdir()
    settings(tmp_path / ".m2", ("*", "https://mirror.example"))
    assert sources.find(None, nothing).address == "https://mirror.example"
