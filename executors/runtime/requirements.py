"""The requirements.txt of a bundle: what may stand there, and what pip's failures mean. Pure.

Names with exact versions and hashes, nothing else. An option could send pip to another index or have it read, and so
print, a file of the executor; a version without hashes is another one tomorrow.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence

from executors.runtime.failures import TaskError

FILE = "requirements.txt"
MOST_BYTES = 4 * 1024 * 1024
NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
PINNED = re.compile(rf"({NAME})\s*(\[[A-Za-z0-9._,\s-]*\])?\s*==\s*([A-Za-z0-9.!+_-]+)\s*(;[^\n]*)?")
HASH = re.compile(r"\s--hash[=\s](?:sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})(?=\s|$)")
COMMENT = re.compile(r"(^|\s)#.*$")
HOW = "make it with: uv pip compile --generate-hashes --no-emit-index-url requirements.in -o requirements.txt"
# Part of an environment's digest: raise it when the way in which they are built changes.
BUILD_VERSION = 1


def parse_requirements(text: str) -> tuple[str, ...]:
    """The requirements, one per line as pip reads them, sorted. TaskError (user) for anything that is not pinned."""
    found = {plain_requirement(line) for line in logical_lines(text)}
    return tuple(sorted(found))


def logical_lines(text: str) -> Iterator[str]:
    """Lines without comments, those that end in a backslash joined."""
    joined = re.sub(r"\\\r?\n", " ", text.removeprefix("\ufeff"))
    for line in joined.splitlines():
        if kept := COMMENT.sub("", line).strip():
            yield kept


def plain_requirement(line: str) -> str:
    """One requirement with single blanks; TaskError when it is an option, has no exact version, or no hash."""
    hashes = HASH.findall(f" {line}")
    pinned = PINNED.fullmatch(HASH.sub("", f" {line}").strip())
    shown = line.split("--hash")[0].strip()[:200]
    if pinned is None:
        text = f"{FILE}: {shown!r} is no name==version; options, addresses and paths have no place there"
        raise TaskError("user", "requirements_invalid", f"{text}; {HOW}")
    if not hashes:
        text = f"{FILE}: {shown!r} has no --hash (sha256, sha384 or sha512), so nobody knows what it will install"
        raise TaskError("user", "requirements_unhashed", f"{text}; {HOW}")
    name, extras, version, marker = (part or "" for part in pinned.groups())
    return " ".join([f"{name}{extras}=={version}", *marker.split(), *sorted(text.strip() for text in hashes)])


def environment_digest(requirements: Sequence[str], python: Sequence[str], *, sdists: bool) -> str:
    """What an environment is found by: requirements, interpreter (version, platform, place), and how it is built."""
    return hashlib.sha256(json.dumps([BUILD_VERSION, list(requirements), list(python), sdists]).encode()).hexdigest()


OUT_OF_REACH = (
    *("connection broken by", "newconnectionerror", "readtimeouterror", "read timed out", "connecttimeouterror"),
    *("proxyerror", "sslerror", "temporary failure in name resolution", "connection error: ", "connection refused"),
    *("connection reset", "http error 5", "http error 429", "incompleteread", "max retries exceeded"),
    *("server error: ", "problem confirming the ssl certificate"),
)
NOT_FOUND = ("no matching distribution found", "could not find a version")
CONFLICT = ("resolutionimpossible", "conflicting dependencies", "in --require-hashes mode, all requirements must have")


def pip_failure(output: str, *, sdists: bool) -> TaskError:
    """What pip's last words mean to the run."""
    words = output.lower()
    last = next(
        (line for line in reversed(output.splitlines()) if line.startswith("ERROR:")), "pip failed; see the log"
    )
    told = f"the environment of {FILE} cannot be built: {last.removeprefix('ERROR: ')}"
    if "no space left on device" in words or "disk quota exceeded" in words:
        return TaskError("resources", "disk_full", f"{told}; make room in the executor's work folder")
    if "do not match the hashes" in words:
        text = f"{told}; what the index gives is not what was locked: compile {FILE} again if that is right"
        return TaskError("user", "requirements_hash_mismatch", text)
    if any(word in words for word in OUT_OF_REACH):
        text = f"{told}; the package index cannot be reached: see PIP_INDEX_URL, or set OPS_PYTHON_WHEELHOUSE"
        return TaskError("external", "package_index_unreachable", text)
    if any(word in words for word in CONFLICT):
        return TaskError("user", "requirements_incomplete", f"{told}; lock all that is needed: {HOW}")
    if any(word in words for word in NOT_FOUND):
        hint = "" if sdists else "; only wheels are installed, unless the template says config.build_sdists: true"
        return TaskError("user", "requirements_not_found", told + hint)
    return TaskError("user" if sdists else "internal", "environment_failed", told)
