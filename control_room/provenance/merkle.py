"""A Merkle tree over the parts of a manifest, as RFC 6962 builds it, so that one part can be shown without the others.

A leaf is sha256(0x00 || name || 0x00 || canonical JSON of the part), a node sha256(0x01 || left || right). Names are
JSON Pointers into the manifest: each top-level member is a leaf, and so is each input, artifact, publication and
published file. They stand in the order of their names' bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from contract.canonical import canonical_json

Json = dict[str, Any]
# Members whose items are leaves of their own.
LISTS = ("inputs", "artifacts", "publications")


def parts(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """name -> part of every leaf, in the order of the leaves."""
    return dict(sorted(_parts(manifest), key=lambda part: part[0].encode()))


def _parts(manifest: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for member, value in manifest.items():
        yield f"/{pointer(member)}", value
        for number, item in enumerate(value if member in LISTS else ()):
            yield f"/{member}/{number}", item
            files = item.get("files", ()) if member == "publications" else ()
            yield from ((f"/{member}/{number}/files/{place}", file) for place, file in enumerate(files))


def pointer(name: str) -> str:
    """A name as a step of a JSON Pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")


def leaf(name: str, part: Any) -> bytes:
    """The hash of one part, 32 bytes. ValueError for a part that has no canonical JSON."""
    return hashlib.sha256(b"\x00" + name.encode() + b"\x00" + canonical_json(part)).digest()


def node(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees, 32 bytes."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """The hash of the whole tree, 32 bytes; of no leaves sha256 of nothing."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    cut = _cut(len(leaves))
    return node(root(leaves[:cut]), root(leaves[cut:]))


def root_of(manifest: Mapping[str, Any]) -> str:
    """The root of a manifest, hex."""
    return root([leaf(name, part) for name, part in parts(manifest).items()]).hex()


def path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The audit path of a leaf: the hashes that lead from it to the root, the nearest first."""
    if len(leaves) <= 1:
        return []
    cut = _cut(len(leaves))
    if index < cut:
        return [*path(leaves[:cut], index), root(leaves[cut:])]
    return [*path(leaves[cut:], index - cut), root(leaves[:cut])]


def root_from(found: bytes, index: int, size: int, audit: Sequence[bytes]) -> bytes:
    """The root that a leaf at `index` of `size` and its audit path make. ValueError when the path does not fit."""
    if size <= 1:
        if audit:
            raise ValueError("the audit path is longer than the tree is deep")
        return found
    if not audit:
        raise ValueError("the audit path is shorter than the tree is deep")
    cut, above = _cut(size), audit[-1]
    if index < cut:
        return node(root_from(found, index, cut, audit[:-1]), above)
    return node(above, root_from(found, index - cut, size - cut, audit[:-1]))


def _cut(size: int) -> int:
    """The largest power of two below a size of 2 or more."""
    return 1 << ((size - 1).bit_length() - 1)
