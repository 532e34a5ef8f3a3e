"""All operator routes under their prefix."""

from __future__ import annotations

from fastapi import APIRouter

from control_room.api import (
    artifacts,
    auth,
    bundles,
    dead_letters,
    events,
    executors,
    info,
    limits,
    lineage,
    previews,
    provenance,
    queues,
    runs,
    steering,
    templates,
)

PREFIX = "/api/v1"


def operator_router() -> APIRouter:
    """A router with every operation of the operator plane."""
    router = APIRouter(prefix=PREFIX)
    for resource in (
        runs,
        steering,
        dead_letters,
        queues,
        templates,
        bundles,
        artifacts,
        previews,
        executors,
        events,
        auth,
        limits,
        lineage,
        provenance,
        info,
    ):
        router.include_router(resource.router)
    return router
