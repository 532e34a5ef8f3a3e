"""Artifacts: download, show, verify."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Final
from urllib.parse import quote, urlsplit
from uuid import UUID

import httpx
from fastapi import Depends, Query, Request
from fastapi.responses import RedirectResponse, Response

from contract.errors import make
from control_room.api import models
from control_room.api.access import Reader
from control_room.api.context import Context, context
from control_room.api.documented import reading
from control_room.api.headers import ARTIFACT_POLICY
from control_room.api.strict_route import StrictRouter
from control_room.reactor.leftovers import strays

router = StrictRouter(tags=["artifacts"])
Ctx = Annotated[Context, Depends(context)]
Json = dict[str, Any]
INLINE_LIMIT: Final = 64 * 2**20
SECONDS: Final = 60.0
# What a browser may show; everything else is saved. HTML and SVG are shown, too, but locked into a sandbox.
SHOWN: Final = frozenset(
    {
        "text/html",
        "image/svg+xml",
        "image/png",
        "image/jpeg",
        "image/gif",
        "image/webp",
        "text/plain",
        "application/json",
    }
)


def media_type_of(artifact: Json) -> str:
    """The media type without its parameters, lower case."""
    return str(artifact["media_type"]).partition(";")[0].strip().lower()


def can_show(artifact: Json) -> bool:
    """Whether the server shows an artifact itself."""
    return media_type_of(artifact) in SHOWN and artifact["size"] <= INLINE_LIMIT


def disposition(name: str, inline: bool) -> str:
    """A Content-Disposition that names the file."""
    return f"{'inline' if inline else 'attachment'}; filename*=UTF-8''{quote(name.rsplit('/', 1)[-1], safe='')}"


async def artifact_with_bytes(ctx: Context, caller: Reader, artifact_id: UUID) -> Json:
    """An artifact that has bytes in the store. Raises artifact_not_found, or invalid_transition for one without."""
    artifact = await ctx.store.get_artifact(caller.principal, artifact_id)
    if artifact["object_key"] is None:
        raise make(
            "invalid_transition",
            f"artifact {artifact['name']!r} is a table; it has no file of its own",
            hint=f"Read the table at {artifact['table']['uri']}.",
            state=artifact["state"],
        )
    if artifact["state"] == "expired":
        raise make(
            "artifact_expired",
            f"the bytes of artifact {artifact['name']!r} were removed: the retention of its template is over",
            hint="Its size and sha256 stay on record; a legal hold keeps what is to stay.",
            state="expired",
        )
    if artifact["state"] == "begun":
        raise make(
            "upload_missing",
            f"the bytes of artifact {artifact['name']!r} were never recorded",
            hint="Its run ended, or is still at it.",
            state="begun",
        )
    return artifact


@router.get(
    "/artifacts/{artifact_id}/download",
    operation_id="downloadArtifact",
    response_class=Response,
    responses={
        **reading(404, 409, 410),
        200: {"description": "The bytes, when shown inline.", "content": {"application/octet-stream": {}}},
        307: {"description": "Where the bytes are, for a short while."},
    },
)
async def download(
    request: Request,
    ctx: Ctx,
    caller: Reader,
    artifact_id: UUID,
    inline: Annotated[bool, Query(description="Show it rather than save it, where that is possible.")] = False,
) -> Response:
    """The artifact's bytes."""
    artifact = await artifact_with_bytes(ctx, caller, artifact_id)
    if inline and can_show(artifact):
        return await _shown(request, ctx, artifact)
    signed = await ctx.objects.presign_get(
        artifact["object_key"], filename=artifact["name"], media_type=artifact["media_type"]
    )
    return RedirectResponse(signed["url"], 307)


async def _shown(request: Request, ctx: Context, artifact: Json) -> Response:
    headers = {
        "content-security-policy": ARTIFACT_POLICY,
        "content-disposition": disposition(artifact["name"], inline=True),
        "x-frame-options": "SAMEORIGIN",
        "cache-control": "private, max-age=3600",
        "etag": f'"{artifact["sha256"]}"',
    }
    if request.headers.get("if-none-match") == headers["etag"]:
        return Response(status_code=304, headers=headers)
    media_type = media_type_of(artifact)
    charset = "; charset=utf-8" if media_type.startswith("text/") else ""
    return Response(await _checked_bytes(ctx, artifact), 200, headers | {"content-type": media_type + charset})


async def _checked_bytes(ctx: Context, artifact: Json) -> bytes:
    """The whole artifact, hashed before any of it is passed on."""
    signed = await ctx.objects.presign_get(artifact["object_key"])
    loopback = urlsplit(signed["url"]).hostname in ("127.0.0.1", "localhost", "::1")
    try:
        async with httpx.AsyncClient(trust_env=not loopback, timeout=SECONDS) as client:
            answer = await client.get(signed["url"])
            answer.raise_for_status()
    except httpx.HTTPError as error:
        raise make(
            "object_store_unavailable",
            f"the object store did not give artifact {artifact['name']!r}: {type(error).__name__}",
            hint="Try again; `control-room status` shows whether the store is up.",
        ) from error
    if hashlib.sha256(answer.content).hexdigest() != artifact["sha256"]:
        raise make("digest_mismatch", f"the store holds other bytes for artifact {artifact['name']!r}")
    return answer.content


@router.get("/artifacts/{artifact_id}/verify", operation_id="verifyArtifact", responses=reading(404, 409, 410))
async def verify(ctx: Ctx, caller: Reader, artifact_id: UUID) -> models.Verification:
    """Recompute the sha256 from the bytes in the store. `ok` is false when they are others, or gone."""
    artifact = await artifact_with_bytes(ctx, caller, artifact_id)
    found = await ctx.objects.verify(artifact["object_key"])
    actual = found.sha256 if found else None
    size = found.size if found else None
    ok = actual == artifact["sha256"] and size == artifact["size"]
    return models.Verification(ok=ok, size=size, sha256_expected=artifact["sha256"], sha256_actual=actual)


@router.get("/collection", operation_id="listCollection", responses=reading())
async def list_collection(ctx: Ctx, caller: Reader) -> models.Collection:
    """What the collector of bytes that nobody needs would take. Changes nothing; needs a token for all workspaces."""
    found = await ctx.store.list_collection(caller.principal)
    unknown = len(await strays(ctx.store, ctx.objects))
    return models.Collection.model_validate(found | {"uploads": found["uploads"] | {"unknown": unknown}})
