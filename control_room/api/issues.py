"""What is wrong with a document, as (path, message) with the path as a JSON Pointer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Path = tuple[object, ...]


@dataclass(frozen=True)
class Issue:
    """One thing wrong: where (JSON Pointer, '' for the whole document) and what."""

    path: str
    message: str

    def as_dict(self) -> dict[str, str]:
        return {"path": self.path, "message": self.message}


def pointer(*parts: object) -> str:
    """JSON Pointer (RFC 6901) of the parts."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def walk(root: Any, prefix: Path = ()) -> Iterator[tuple[Path, Any]]:
    """(path, value) of a JSON value and of all inside it; not recursive, so that no depth is too much."""
    waiting: list[tuple[Path, Any]] = [(prefix, root)]
    while waiting:
        path, node = waiting.pop()
        yield path, node
        items = node.items() if isinstance(node, Mapping) else enumerate(node) if isinstance(node, list) else ()
        waiting.extend(((*path, key), item) for key, item in items)


def leaves(root: Any) -> Iterator[Any]:
    """The values inside a JSON value that hold no others, in no order; not recursive."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Mapping):
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)
        else:
            yield node
