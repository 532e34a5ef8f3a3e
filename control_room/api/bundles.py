"""Code bundles: archives addressed by their sha256, uploaded straight to the object store."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends

from contract.errors import make
from control_room.api import models
from control_room.api.access import Operator
from control_room.api.context import Context, context
from control_room.api.documented import writing
from control_room.api.strict_route import StrictRouter
from ops_schema.store import Principal

router = StrictRouter(tags=["templates"])
BUNDLE_TYPE = "application/gzip"


@router.post("/bundles", operation_id="putBundle", responses=writing(404, 409))
async def put_bundle(
    ctx: Annotated[Context, Depends(context)], caller: Operator, body: models.PutBundle
) -> models.BundleBegun:
    """Announce a bundle; the answer says where to PUT its bytes, or null when they are there."""
    stored, key = await announce(ctx, caller.principal, body.sha256, body.size, body.workspace)
    if stored:
        return models.BundleBegun(sha256=body.sha256, size=body.size, upload=None)
    upload = await ctx.objects.presign_put(key, size=body.size, sha256=body.sha256, media_type=BUNDLE_TYPE)
    return models.BundleBegun(sha256=body.sha256, size=body.size, upload=models.Upload.model_validate(upload))


async def announce(
    ctx: Context, principal: Principal, sha256: str, size: int, workspace: str | None = None
) -> tuple[bool, str]:
    """(whether the store holds the bundle's bytes, its key); what was seen is put on record.

    workspace: whose bundle it is; None for the principal's home. Raises digest_mismatch, workspace_not_found and
    forbidden.
    """
    bundle = {"sha256": sha256, "size": size, "workspace": workspace}
    key: str = (await ctx.store.put_bundle(principal, bundle))["object_key"]
    found = await ctx.objects.head(key)
    if found is None:
        return False, key
    if found.size != size or found.sha256 not in (None, sha256):
        raise make(
            "digest_mismatch",
            f"the store holds other bytes under bundle {sha256}",
            hint="Remove that object from the store, then upload again.",
            sha256=sha256,
            size=found.size,
        )
    await ctx.store.put_bundle(principal, bundle | {"stored": True})
    return True, key
