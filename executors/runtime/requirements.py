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
# Of one line with all its hashes, and without: expressions are tried on these, while nothing else of the executor runs.
LONGEST_LINE, LONGEST_REQUIREMENT = 128 * 1024, 4096
NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
# Blanks are single where these are tried.
EXTRAS = rf"\[ ?{NAME}(?: ?, ?{NAME})* ?\]"
PINNED = re.compile(rf"({NAME}) ?({EXTRAS})? ?== ?([A-Za-z0-9][A-Za-z0-9.!+_-]*) ?(?:; ?(.*))?")
HASH = re.compile(r" --hash[= ](sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})(?= |$)")
# Markers as of PEP 508, and in their texts nothing that pip reads before it reads a marker: a word that begins with "-"
# is an option to it, ${NAME} a variable of its environment, # a comment.
MARKER_NAME = (
    r"(?:os_name|sys_platform|platform_(?:machine|python_implementation|release|system|version)"
    r"|python_(?:full_)?version|implementation_(?:name|version)|extra)"
)
WORDS = r"(?:[A-Za-z0-9_.+*!][A-Za-z0-9_.+*!-]*(?: [A-Za-z0-9_.+*!][A-Za-z0-9_.+*!-]*)*)?"
TERM = rf"(?:{MARKER_NAME}|'{WORDS}'|\"{WORDS}\")"
COMPARISON = rf"{TERM} ?(?:===|[<>~!=]=|<|>| ?not in|in) ?{TERM}"
MARKER_PART = re.compile(rf"(?P<test>{COMPARISON})|(?P<join>(?:and|or)\b)|(?P<open>\()|(?P<close>\))")
COMMENT = re.compile(r"(^|\s)#.*$")
HOW = "make it with: uv pip compile --generate-hashes --no-emit-index-url requirements.in -o requirements.txt"
# Part of an environment's digest: raise it when the way in which they are built changes.
BUILD_VERSION = 2


def requirements_text(data: bytes) -> str:
    """The text of a file of which at most MOST_BYTES + 1 were read. TaskError (user) for one that cannot be taken."""
    if len(data) > MOST_BYTES:
        raise TaskError("user", "requirements_invalid", f"{FILE} has more than {MOST_BYTES:,} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise TaskError("user", "requirements_invalid", f"{FILE} is no UTF-8 text") from None


def parse_requirements(text: str) -> tuple[str, ...]:
    """The requirements, one per line as pip reads them, sorted. TaskError (user) for anything that is not pinned."""
    found = {plain_requirement(line) for line in logical_lines(text)}
    return tuple(sorted(found))


def logical_lines(text: str) -> Iterator[str]:
    """Lines without comments, those that end in a backslash joined."""
    joined = re.sub(r"\\\r?\n", " ", text.removeprefix("\ufeff"))
    for line in joined.splitlines():
        if len(line) > LONGEST_LINE:
            text = f"{FILE}: a line with what it goes on with has {len(line):,} characters, {LONGEST_LINE:,} are read"
            raise TaskError("user", "requirements_invalid", text)
        if kept := " ".join(COMMENT.sub("", line).split()):
            yield kept


def plain_requirement(line: str) -> str:
    """One requirement with single blanks; TaskError when it is an option, has no exact version, or no hash."""
    hashes = HASH.findall(line)
    bare = HASH.sub("", line)
    pinned = PINNED.fullmatch(bare) if len(bare) <= LONGEST_REQUIREMENT else None
    shown = line.split("--hash")[0].strip()[:200]
    if pinned is None:
        text = f"{FILE}: {shown!r} is no name==version; options, addresses and paths have no place there"
        raise TaskError("user", "requirements_invalid", f"{text}; {HOW}")
    if not hashes:
        text = f"{FILE}: {shown!r} has no --hash (sha256, sha384 or sha512), so nobody knows what it will install"
        raise TaskError("user", "requirements_unhashed", f"{text}; {HOW}")
    name, extras, version, marker = (part or "" for part in pinned.groups())
    if marker and not is_marker(marker):
        text = f"{FILE}: {shown!r} has a marker that is none of PEP 508, or with texts that pip would take for its own"
        raise TaskError("user", "requirements_invalid", f"{text}; {HOW}")
    named = f"{name}{extras.replace(' ', '')}=={version}"
    return " ".join([named, *([f"; {marker}"] if marker else []), *sorted(f"--hash={text}" for text in hashes)])


def is_marker(text: str) -> bool:
    """Whether a text with single blanks is comparisons, joined by and, or, and parentheses."""
    at, depth, ended = 0, 0, False
    while at < len(text):
        part = MARKER_PART.match(text, at)
        # A join or a closing stands behind a comparison, all else does not.
        if part is None or (part.lastgroup in ("join", "close")) != ended:
            return False
        depth += {"open": 1, "close": -1}.get(part.lastgroup or "", 0)
        ended = part.lastgroup in ("test", "close")
        if depth < 0:
            return False
        at = part.end() + text.startswith(" ", part.end())
    return ended and depth == 0


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
