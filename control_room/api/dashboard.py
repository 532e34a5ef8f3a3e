"""The built dashboard (a static export with trailing slashes), from a folder; a plain page until it is built."""

from __future__ import annotations

import mimetypes
from dataclasses import dataclass
from email.utils import formatdate, parsedate_to_datetime
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response

from control_room.api.headers import page_policy

_IMMUTABLE = "public, max-age=31536000, immutable"
_REVALIDATE = "no-cache"
_NOT_BUILT = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Lakehouse Control Room</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body{font:16px/1.6 system-ui,sans-serif;max-width:42rem;margin:10vh auto;padding:0 1.5rem;color:#1c2530;
background:#fafbfc}code{background:#e9edf1;padding:.15em .4em;border-radius:4px}
@media(prefers-color-scheme:dark){body{color:#dde4ea;background:#11161c}code{background:#222b35}}</style></head>
<body><h1>The server is up; the dashboard is not built</h1>
<p>Build it once with <code>make web</code> in the repository, then reload this page.
To serve a build that is elsewhere, set <code>OPS_WEB_DIR</code> to its folder and start the server again.</p>
<p>Everything works without it, too: <code>control-room runs ls</code>, <code>control-room runs show NUMBER</code>,
<code>control-room status</code>.</p></body></html>
"""


@dataclass(frozen=True)
class Page:
    """One built HTML page: its bytes, its policy and its validator."""

    body: bytes
    policy: str
    etag: str


@lru_cache(maxsize=512)
def _load(path: Path, mtime_ns: int, size: int) -> Page:
    body = path.read_bytes()
    return Page(body, page_policy(body.decode("utf-8", "replace")), f'"{sha256(body).hexdigest()[:32]}"')


def load_page(path: Path) -> Page:
    """The page at `path`; read and hashed once for each version of the file."""
    stat = path.stat()
    return _load(path, stat.st_mtime_ns, stat.st_size)


class Dashboard:
    """Serves `root`. Call warm() at start, so that the hashes of the inline scripts are ready."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()

    @property
    def built(self) -> bool:
        return (self.root / "index.html").is_file()

    def warm(self) -> int:
        """Read and hash every page; returns how many there are."""
        pages = sorted(self.root.rglob("*.html")) if self.built else []
        for path in pages:
            load_page(path)
        return len(pages)

    def answer(self, request: Request) -> Response:
        """The response for a GET or HEAD of any path that no API route took."""
        if not self.built:
            return HTMLResponse(
                _NOT_BUILT, 200 if request.url.path == "/" else 404, {"content-security-policy": page_policy("")}
            )
        path = request.path_params["path"]
        found = self._locate(path)
        if found is not None and found.is_dir() and path and not path.endswith("/"):
            query = f"?{request.url.query}" if request.url.query else ""
            # One slash in front: a browser reads //runs/ as the address of a host named runs.
            return RedirectResponse(f"/{request.url.path.strip('/')}/{query}", 308)
        if found is not None and found.is_dir():
            found = found / "index.html"
        return self._file(request, found)

    def _locate(self, path: str) -> Path | None:
        if "\x00" in path or "\\" in path or any(part.startswith(".") for part in path.split("/")):
            return None
        try:
            candidate = (self.root / path.strip("/")).resolve()
            return candidate if candidate.is_relative_to(self.root) and candidate.exists() else None
        except OSError:  # a name longer than the file system takes, for one: there is no such file
            return None

    def _file(self, request: Request, path: Path | None) -> Response:
        if path is None or not path.is_file():
            missing = self.root / "404.html"
            return _page(request, missing, 404) if missing.is_file() else HTMLResponse("Not found", 404)
        if path.suffix == ".html":
            return _page(request, path, 200)
        hashed = "_next/static" in path.relative_to(self.root).as_posix()
        return _asset(request, path, _IMMUTABLE if hashed else _REVALIDATE)


def _page(request: Request, path: Path, status: int) -> Response:
    page = load_page(path)
    headers = {"content-security-policy": page.policy, "cache-control": _REVALIDATE, "etag": page.etag}
    if status == 200 and request.headers.get("if-none-match") == page.etag:
        return Response(status_code=304, headers=headers)
    return HTMLResponse(page.body, status, headers)


def _asset(request: Request, path: Path, cache: str) -> Response:
    since = request.headers.get("if-modified-since")
    headers = {"cache-control": cache, "last-modified": formatdate(path.stat().st_mtime, usegmt=True)}
    if since is not None and _unchanged(since, headers["last-modified"]):
        return Response(status_code=304, headers=headers)
    return FileResponse(
        path, headers=headers, media_type=mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    )


def _unchanged(since: str, modified: str) -> bool:
    try:
        return parsedate_to_datetime(since) >= parsedate_to_datetime(modified)
    except (TypeError, ValueError):
        return False
