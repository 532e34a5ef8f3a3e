"""Templates: list, look at, apply."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Body, Depends, Path, Query

from contract.errors import Invalid, make
from control_room.api import models
from control_room.api.access import Operator, Reader
from control_room.api.bundles import announce
from control_room.api.context import Context, context
from control_room.api.documented import reading, writing
from control_room.api.json_schema import Issue
from control_room.api.strict_route import StrictRouter
from control_room.api.submission import DEFAULT_WORKSPACE, find_template
from control_room.api.template_spec import referenced_templates, template_issues
from ops_schema.store import Principal

router = StrictRouter(tags=["templates"])
Ctx = Annotated[Context, Depends(context)]
Name = Annotated[models.Text, Path(min_length=1, max_length=63)]
Json = dict[str, Any]


@router.get("/templates", operation_id="listTemplates", responses=reading())
async def list_templates(ctx: Ctx, caller: Reader) -> models.Templates:
    """The newest version of each template."""
    return models.Templates.model_validate(await ctx.store.list_templates(caller.principal))


@router.get("/templates/{name}", operation_id="getTemplate", responses=reading(404))
async def get_template(
    ctx: Ctx, caller: Reader, name: Name, version: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None
) -> models.TemplateDetail:
    """One version of a template, the newest unless one is named."""
    return models.TemplateDetail.model_validate(await find_template(ctx.store, caller.principal, name, version))


@router.put("/templates/{name}", operation_id="putTemplate", responses=writing(404))
async def put_template(ctx: Ctx, caller: Operator, name: Name, spec: Annotated[Json, Body()]) -> models.TemplateApplied:
    """Apply a template: a changed spec becomes a new version, an unchanged one changes nothing.

    The spec is checked against the schema of templates; its bundle must have been uploaded.
    """
    await check_spec(ctx, caller.principal, name, spec)
    return models.TemplateApplied.model_validate(await ctx.store.put_template(caller.principal, name, spec))


async def check_spec(ctx: Context, principal: Principal, name: str, spec: Json) -> None:
    """Raises invalid_request with every place that is wrong, or bundle_not_found."""
    named = referenced_templates(spec)
    names, known = await _known(ctx, principal, spec) if named else (set(), {})
    # In a thread: hundreds of tasks take a second, and the event loop has others to serve.
    issues = await asyncio.to_thread(template_issues, spec, known, names)
    if not issues and spec["name"] != name:
        issues = [Issue("/name", f"is {spec['name']!r}, but the request is for {name!r}")]
    _refuse(name, issues)
    if spec.get("bundle"):
        await _check_bundle(ctx, principal, spec["bundle"], spec.get("workspace"))


async def _known(ctx: Context, principal: Principal, spec: Json) -> tuple[set[str], dict[str, Json]]:
    workspace = spec.get("workspace", DEFAULT_WORKSPACE)
    items = (await ctx.store.list_templates(principal))["items"]
    known = {item["name"]: item["spec"] for item in items if item["workspace"] == workspace}
    return set(known), known


def _refuse(name: str, issues: list[Issue]) -> None:
    if issues:
        first = issues[0]
        more = f" (and {len(issues) - 1} more)" if len(issues) > 1 else ""
        raise Invalid(
            f"template {name!r}: {first.path or 'the document'}: {first.message}{more}",
            members={"errors": [issue.as_dict() for issue in issues]},
        )


async def _check_bundle(ctx: Context, principal: Principal, bundle: Mapping[str, Any], workspace: str | None) -> None:
    stored, _ = await announce(ctx, principal, bundle["sha256"], bundle["size"], workspace)
    if not stored and workspace is not None:
        # Uploaded by somebody who named no workspace: it is in their home.
        stored, _ = await announce(ctx, principal, bundle["sha256"], bundle["size"])
    if not stored:
        raise make(
            "bundle_not_found",
            f"the store holds no bundle {bundle['sha256']}",
            hint="Upload it first; `control-room templates apply FILE` does both.",
            sha256=bundle["sha256"],
        )
