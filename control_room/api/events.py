"""The event stream: server-sent events with exact resume."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from typing import Annotated, Any

from fastapi import Depends, Header, Query, Request
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.background import BackgroundTask

from contract.errors import Invalid
from control_room.api import models
from control_room.api.access import Caller, Reader
from control_room.api.context import Context, context
from control_room.api.cursor import cursor_of, event_id
from control_room.api.documented import reading
from control_room.api.events_hub import Beat, Subscription, follow
from control_room.api.strict_route import StrictRouter
from ops_schema.errors import StoreUnavailable

router = StrictRouter(tags=["events"])
HEARTBEAT_SECONDS = 15.0
RECONNECT_MS = 2000
SEND_TIMEOUT_SECONDS = 30.0
SHUTDOWN_GRACE_SECONDS = 3.0


def resume_point(last_event_id: str) -> str:
    """The cursor to go on from. Raises invalid_request for what is no id of this stream."""
    try:
        return cursor_of(last_event_id)
    except ValueError:
        raise Invalid(
            f"Last-Event-ID {last_event_id!r} is no id of this stream",
            members={"errors": [{"path": "last-event-id", "message": "is no id of this stream"}]},
            hint="Leave the header out to start from now.",
        ) from None


def wanted(run_id: str | None, workspaces: tuple[str, ...] | None) -> Callable[[Mapping[str, Any]], bool]:
    """Which events a stream is for: a run and the tasks of its pipeline, in workspaces the caller may see."""

    def wants(event: Mapping[str, Any]) -> bool:
        if workspaces is not None and event.get("workspace") not in workspaces:
            return False
        return run_id is None or run_id in (event["run_id"], event.get("pipeline_run_id"))

    return wants


async def still_allowed(ctx: Context, caller: Caller) -> bool:
    """Whether the caller's session or token still lives. An outage of the database ends no stream."""
    try:
        if caller.session is None:
            return await ctx.store.authenticate(caller.token) is not None
        return await ctx.store.session(caller.session) is not None
    except StoreUnavailable:
        return True


def as_sse(item: Mapping[str, Any] | Beat) -> ServerSentEvent:
    """One event; or, in quiet moments, a comment with an id, so that a resume starts from here."""
    if isinstance(item, Beat):
        return ServerSentEvent(comment="quiet", id=event_id(item.cursor))
    data = models.StreamEvent.model_validate(item).model_dump_json()
    return ServerSentEvent(data=data, id=event_id(item["cursor"]))


async def _messages(ctx: Context, caller: Caller, subscription: Subscription) -> AsyncIterator[ServerSentEvent]:
    # An id without data is not dispatched as an event, and a reader that loses us before the first one resumes from it.
    yield ServerSentEvent(comment="open", id=event_id(subscription.start), retry=RECONNECT_MS)
    allowed = partial(still_allowed, ctx, caller)
    async for item in follow(ctx.hub, ctx.store, subscription, HEARTBEAT_SECONDS, allowed):
        yield as_sse(item)


@router.get(
    "/events/stream",
    operation_id="streamEvents",
    response_class=EventSourceResponse,
    responses={
        **reading(404),
        200: {
            "description": "Server-sent events; `data` of each is a StreamEvent.",
            "content": {"text/event-stream": {"schema": {"$ref": "#/components/schemas/StreamEvent"}}},
        },
    },
)
async def stream_events(
    request: Request,
    ctx: Annotated[Context, Depends(context)],
    caller: Reader,
    run_id: Annotated[
        models.Text | None, Query(max_length=40, description="Only this run (run_id or number) and its tasks.")
    ] = None,
    last_event_id: Annotated[str | None, Header(max_length=200, description="Go on after this event.")] = None,
) -> EventSourceResponse:
    """What happens, as it happens. Each event comes once, in order; a stream resumes by Last-Event-ID."""
    after = None if last_event_id is None else resume_point(last_event_id)
    run = None if run_id is None else (await ctx.store.get_run(caller.principal, run_id))["run_id"]
    wants = wanted(run, caller.principal.workspaces)
    subscription = await ctx.hub.subscribe(after, wants, caller.session)
    return EventSourceResponse(
        _messages(ctx, caller, subscription),
        ping=0,
        send_timeout=SEND_TIMEOUT_SECONDS,
        # Else the library cuts streams off in mid-answer, before the hub has ended them.
        shutdown_grace_period=SHUTDOWN_GRACE_SECONDS,
        background=BackgroundTask(ctx.hub.leave, subscription),
    )
