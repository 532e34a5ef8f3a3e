"""What there is to show of an artifact: what its run told of it, and the first bytes of a text.

The server parses nothing that a run wrote: it cuts a text, no more.
"""

from __future__ import annotations

from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Depends

from control_room.api import models
from control_room.api.access import Reader
from control_room.api.artifacts import media_type_of
from control_room.api.context import Context, context
from control_room.api.documented import reading
from control_room.api.strict_route import StrictRouter

router = StrictRouter(tags=["artifacts"])
Ctx = Annotated[Context, Depends(context)]
Json = dict[str, Any]
HEAD_BYTES: Final = 64 * 1024
MARKUP: Final = frozenset({"text/html", "text/xml"})


@router.get("/artifacts/{artifact_id}/preview", operation_id="previewArtifact", responses=reading(404))
async def preview(ctx: Ctx, caller: Reader, artifact_id: UUID) -> models.Preview:
    """What its run told of an artifact, and the first 64 KiB of a text."""
    artifact = await ctx.store.get_artifact(caller.principal, artifact_id)
    told = await ctx.store.get_preview(caller.principal, artifact_id)
    key = artifact.pop("object_key")
    head = await ctx.objects.read_head(key, HEAD_BYTES) if key and is_text(artifact) else None
    return models.Preview(
        artifact=models.Artifact.model_validate(artifact),
        preview=told["preview"],
        text=None if head is None else as_text(head),
        text_cut=head is not None and artifact["size"] > len(head),
    )


def is_text(artifact: Json) -> bool:
    """Whether its bytes are there, and people read them."""
    plain = media_type_of(artifact)
    named = plain.startswith("text/") or plain == "application/json" or plain.endswith("+json")
    return artifact["state"] in ("recorded", "visible") and plain not in MARKUP and (named or artifact["kind"] == "log")


def as_text(head: bytes) -> str:
    """UTF-8; what is none is replaced, and half a character at the end is left out."""
    text = head.decode("utf-8", "replace")
    return text[:-1] if len(head) == HEAD_BYTES and text.endswith("\ufffd") else text
