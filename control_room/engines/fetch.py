"""Fetching artifacts into a folder, each checked against its pinned checksum before anybody uses it."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

import httpx

from control_room.engines.catalogue import Artifact
from control_room.engines.sources import HOW_TO_GET, Source
from control_room.errors import FAILED, UNAVAILABLE, ControlRoomError

TRIES = 5
SCRATCH = ".mvn-"
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
CONNECT_SECONDS = 15.0
READ_SECONDS = 60.0
# (what is being done, bytes done, bytes in all; None when it is not known)
OnProgress = Callable[[str, int, int | None], None]


class Interrupted(Exception):  # noqa: N818 - what came so far is kept, and it is tried again
    """The connection ended before the file did, or the server is busy."""


def fetch(
    source: Source, artifacts: Sequence[Artifact], folder: Path, on_progress: OnProgress, label: str = "x"
) -> None:
    """Have every artifact in `folder`, under its file name, with the right checksum. What is there is not fetched.

    label: part of the name of the scratch folder that mvn gets; one that was left by a kill is found by it.
    """
    missing = [artifact for artifact in artifacts if not (folder / artifact.file_name).exists()]
    if not missing:
        return
    if source.kind == "mvn":
        _by_mvn(source, missing, folder, on_progress, label)
        return
    take = _by_http if source.kind == "http" else _from_folder
    done = 0
    for artifact in missing:
        part = folder / f"{artifact.file_name}.part"
        take(source, artifact, part, _told(on_progress, artifact, done, sum(a.bytes for a in missing)))
        check(artifact, part, source.url_of(artifact))
        part.rename(folder / artifact.file_name)
        done += artifact.bytes


def check(artifact: Artifact, path: Path, where: str) -> None:
    """Raise ControlRoomError, and delete the file, when its content is not what is pinned."""
    found = sha256_of(path)
    if found == artifact.sha256:
        return
    size = path.stat().st_size
    path.unlink()
    raise ControlRoomError(
        f"{artifact.coordinates} is not what is pinned: sha256 {found}, {size} bytes; "
        f"expected {artifact.sha256}, {artifact.bytes} bytes",
        where=where,
        next_step="try again; if it stays so, that repository serves another file under this name: use another one",
        exit_code=FAILED,
    )


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _told(on_progress: OnProgress, artifact: Artifact, before: int, total: int) -> Callable[[int], None]:
    return lambda done: on_progress(f"fetching {artifact.file_name}", before + done, total)


# A repository over HTTP ---------------------------------------------------------------------------------------------


def _by_http(source: Source, artifact: Artifact, part: Path, told: Callable[[int], None]) -> None:
    url = source.url_of(artifact)
    with httpx.Client(follow_redirects=True, timeout=httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS)) as client:
        for number in range(TRIES):
            try:
                return _download(client, url, artifact, part, told)
            except (httpx.TransportError, Interrupted) as problem:
                if number == TRIES - 1:
                    raise _unreachable(url, source, part, problem) from problem
                time.sleep(2.0**number / 2)


def _download(client: httpx.Client, url: str, artifact: Artifact, part: Path, told: Callable[[int], None]) -> None:
    """One request, from where the last one ended. Raises Interrupted when more is to come."""
    have = part.stat().st_size if part.exists() else 0
    if have == artifact.bytes:
        return
    if have > artifact.bytes:
        part.unlink()
        have = 0
    headers = {"Range": f"bytes={have}-", "Accept-Encoding": "identity"} if have else {"Accept-Encoding": "identity"}
    with client.stream("GET", url, headers=headers) as answer:
        _refuse_error(answer, url)
        resumed = answer.status_code == httpx.codes.PARTIAL_CONTENT
        done = _append(answer, part, have if resumed else 0, artifact.bytes, told)
    if done < artifact.bytes:
        raise Interrupted(f"the answer ended after {done} of {artifact.bytes} bytes")


def _append(answer: httpx.Response, part: Path, have: int, limit: int, told: Callable[[int], None]) -> int:
    """Write the body behind the `have` bytes that are there; answers how many there are then, at most about `limit`."""
    with part.open("ab" if have else "wb") as file:
        for chunk in answer.iter_raw():  # as it comes: what was held back for a whole chunk would be lost
            file.write(chunk)
            have += len(chunk)
            told(have)
            if have > limit:  # another file than is pinned: the checksum will say so
                break
    return have


def _refuse_error(answer: httpx.Response, url: str) -> None:
    if answer.is_success:
        return
    if answer.status_code in (httpx.codes.TOO_MANY_REQUESTS, *range(500, 600)):
        raise Interrupted(f"HTTP {answer.status_code}")
    raise ControlRoomError(
        f"the repository does not give the file: HTTP {answer.status_code}",
        where=url,
        next_step="check the repository's address; " + HOW_TO_GET,
        exit_code=UNAVAILABLE,
    )


def _unreachable(url: str, source: Source, part: Path, problem: Exception) -> ControlRoomError:
    kept = f"{part.stat().st_size} bytes are kept; " if part.exists() else ""
    return ControlRoomError(
        f"the repository ({source.told_by}) cannot be reached: {problem or type(problem).__name__}",
        where=url,
        next_step=f"{kept}run the same command again: it goes on from there",
        exit_code=UNAVAILABLE,
    )


# A repository in a folder -------------------------------------------------------------------------------------------


def _from_folder(source: Source, artifact: Artifact, part: Path, told: Callable[[int], None]) -> None:
    found = Path(source.address) / artifact.path
    if not found.is_file():
        raise ControlRoomError(
            f"{artifact.coordinates} is not in that repository",
            where=str(found),
            next_step="name a folder in the layout of a Maven repository that has it; or else " + HOW_TO_GET,
            exit_code=UNAVAILABLE,
        )
    shutil.copyfile(found, part)
    told(artifact.bytes)


# mvn ----------------------------------------------------------------------------------------------------------------


def _by_mvn(source: Source, artifacts: Sequence[Artifact], folder: Path, on_progress: OnProgress, label: str) -> None:
    """All of them by one call. mvn keeps what it fetched in the user's local repository, so a repeat costs nothing."""
    total = sum(artifact.bytes for artifact in artifacts)
    on_progress(f"mvn fetches {_several(artifacts)}", 0, None)
    with tempfile.TemporaryDirectory(dir=folder, prefix=f"{SCRATCH}{label}-") as scratch:
        _run_mvn(source.address, artifacts, Path(scratch))
        for artifact in artifacts:
            got = Path(scratch) / "got" / artifact.file_name
            check(artifact, got, "mvn's local repository")
            got.rename(folder / artifact.file_name)
    on_progress("fetched", total, total)


def _run_mvn(program: str, artifacts: Sequence[Artifact], scratch: Path) -> None:
    (scratch / "pom.xml").write_text(pom(artifacts), encoding="utf-8")
    argv = [program, "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=got", "-Dmdep.useBaseVersion=true"]
    done = subprocess.run(argv, cwd=scratch, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        raise ControlRoomError(
            f"mvn could not fetch {_several(artifacts)}: {first_error(done.stdout + done.stderr)}",
            where=program,
            next_step="check the network, the proxy and ~/.m2/settings.xml, then run the same command again",
            exit_code=UNAVAILABLE,
        )


def pom(artifacts: Sequence[Artifact]) -> str:
    """A project that depends on the artifacts and on nothing that they depend on."""
    return (
        "<project><modelVersion>4.0.0</modelVersion><groupId>control-room</groupId><artifactId>engines</artifactId>"
        f"<version>1</version><dependencies>{''.join(map(_dependency, artifacts))}</dependencies></project>\n"
    )


def _dependency(artifact: Artifact) -> str:
    told = {
        "groupId": artifact.group,
        "artifactId": artifact.name,
        "version": artifact.version,
        "type": artifact.packaging,
    }
    members = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in told.items())
    alone = "<exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions>"
    return f"<dependency>{members}{alone}</dependency>"


def first_error(output: str) -> str:
    """The first line of mvn's output that tells an error, without its mark."""
    plain = COLOURS.sub("", output).splitlines()
    lines = [line.partition("[ERROR]")[2].strip() for line in plain if "[ERROR]" in line]
    return next((line for line in lines if line), "it gave no reason")[:300]


def _several(artifacts: Sequence[Artifact]) -> str:
    return artifacts[0].coordinates if len(artifacts) == 1 else f"{len(artifacts)} artifacts"
