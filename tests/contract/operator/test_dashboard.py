"""The built dashboard, and what stands in for it until it is built."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import pytest

from tests.contract.operator.conftest import API, Server, problem, serving
from tests.support.ops import Ops
from tests.support.postgres import Database
from tests.support.seaweed import Seaweed

INLINE = 'self.__next_f=[];console.log("a<b")'
PAGE = f"<!doctype html><title>Runs</title><script>{INLINE}</script><script src='/_next/static/a.js'></script>"


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A static export with trailing slashes."""
    web = tmp_path / "web"
    for name in ("index.html", "runs/index.html", "run/index.html", "404.html"):
        (web / name).parent.mkdir(parents=True, exist_ok=True)
        (web / name).write_text(PAGE + name)
    (web / "_next" / "static").mkdir(parents=True)
    (web / "_next" / "static" / "a.js").write_text("1")
    (web / "icon.svg").write_text("<svg/>")
    (web / ".secret").write_text("hidden")
    (tmp_path / "outside.txt").write_text("outside")
    return web


@pytest.fixture
async def site(built: Path, server: Server) -> Server:
    return server


async def test_without_a_build_a_page_says_what_to_do(server: Server) -> None:
    answer = await server.client().get("/")
    assert answer.status_code == 200
    assert "make web" in answer.text
    assert (await server.client().get("/runs/")).status_code == 404
    problem(await server.client().get(f"{API}/runs"), 401, "unauthenticated")


async def test_pages_live_under_trailing_slashes_with_their_query(site: Server) -> None:
    client = site.client()
    assert (await client.get("/")).text.endswith("index.html")
    assert (await client.get("/run/?id=42")).text.endswith("run/index.html")
    moved = await client.get("/run?id=42")
    assert (moved.status_code, moved.headers["location"]) == (308, "/run/?id=42")
    missing = await client.get("/nothing/")
    assert missing.status_code == 404
    assert missing.text.endswith("404.html")


async def test_inline_scripts_are_allowed_by_their_hash_and_by_nothing_else(site: Server) -> None:
    policy = (await site.client().get("/runs/")).headers["content-security-policy"]
    scripts = next(part for part in policy.split("; ") if part.startswith("script-src"))
    digest = base64.b64encode(hashlib.sha256(INLINE.encode()).digest()).decode()
    assert scripts == f"script-src 'self' 'sha256-{digest}'"
    assert "frame-ancestors 'none'" in policy


async def test_a_rebuilt_page_gets_its_new_hashes(site: Server, built: Path) -> None:
    before = (await site.client().get("/runs/")).headers["content-security-policy"]
    (built / "runs" / "index.html").write_text("<script>other()</script>")
    assert (await site.client().get("/runs/")).headers["content-security-policy"] != before


async def test_hashed_files_are_kept_for_ever_and_pages_are_asked_for_again(site: Server) -> None:
    client = site.client()
    asset = await client.get("/_next/static/a.js")
    assert asset.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert asset.headers["content-type"].startswith(("text/javascript", "application/javascript"))
    page = await client.get("/runs/")
    assert page.headers["cache-control"] == "no-cache"
    again = await client.get("/runs/", headers={"if-none-match": page.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert (await client.head("/runs/")).status_code == 200


@pytest.mark.parametrize(
    "path", ["/../outside.txt", "/%2e%2e/outside.txt", "/..%2foutside.txt", "/.secret", "/%00", "/a\\..\\b"]
)
async def test_nothing_outside_of_the_build_is_served(site: Server, path: str) -> None:
    answer = await site.client().get(site.url + path)
    assert answer.status_code == 404
    assert "outside" not in answer.text.replace("outside.txt", "")
    assert "hidden" not in answer.text


@pytest.mark.parametrize("path", ["/" + "a" * 300, "/runs/" + "a" * 300 + "/", "/" + "a/" * 3000])
async def test_a_path_that_no_file_system_takes_is_the_404_page(site: Server, path: str) -> None:
    answer = await site.client().get(path)
    assert answer.status_code == 404
    assert answer.text.endswith("404.html")


@pytest.mark.parametrize("path", ["//runs", "///runs", "/%2Fruns", "//runs?id=1"])
async def test_a_move_never_leads_to_another_host(site: Server, path: str) -> None:
    answer = await site.client().get(site.url + path)
    assert answer.status_code == 308
    assert answer.headers["location"].partition("?")[0] == "/runs/"


async def test_a_link_that_leads_out_is_not_followed(site: Server, built: Path) -> None:
    (built / "link.txt").symlink_to(built.parent / "outside.txt")
    assert (await site.client().get("/link.txt")).status_code == 404


async def test_the_pages_need_no_session_but_the_data_does(site: Server) -> None:
    assert (await site.client().get("/runs/")).status_code == 200
    problem(await site.client().get(f"{API}/runs"), 401, "unauthenticated")


async def test_a_build_elsewhere_is_named_by_a_setting(
    pg18: Database, tokens: Ops, object_store: Seaweed, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "index.html").write_text("elsewhere")
    async with serving(pg18, object_store, tmp_path, web_dir=elsewhere) as server:
        assert (await server.client().get("/")).text == "elsewhere"
