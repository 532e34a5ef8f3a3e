"""Servers that get publications wrong, in each way that a case of the server kit stands against."""

from __future__ import annotations

import httpx

from tests.conformance.defects import (
    FAULTS,
    Json,
    Send,
    accepting,
    answering,
    asking,
    body_of,
    fault,
    operation,
    problem_of,
)

__all__ = ["FAULTS"]
ALL = ["delta", "iceberg", "object"]
DOUBLE = 2**53 - 1


def delta_alone(_: httpx.Request, answer: Json) -> Json:
    runs = [run | {"outputs": [output | {"format": "delta"} for output in run["outputs"]]} for run in answer["runs"]]
    return answer | {"runs": runs}


def marked_by_run(_: httpx.Request, answer: Json) -> Json:
    marked = [told | {"app_id": told["app_id"].partition("/")[0]} for told in answer["publications"]]
    return answer | {"publications": marked}


def without_time(_: httpx.Request, answer: Json) -> Json:
    told = [{name: value for name, value in one.items() if name != "recorded_at"} for one in answer["publications"]]
    return answer | {"publications": told}


@fault("publication-formats", "409 publication_conflict was due", slow=True)
def counts_versions_as_a_double_does(request: httpx.Request, send: Send) -> httpx.Response:
    if operation(request) == "commitPublication" and body_of(request).get("table_version", 0) > DOUBLE:
        problem = {"type": "urn:control-room:error:invalid_request", "title": "Invalid request", "status": 422}
        return problem_of(problem | {"code": "invalid_request", "detail": "/table_version: is too large"})
    return send(request)


fault("publication", "409 lease_lost was due", name="accepts a stale commit")(
    accepting("lease_lost", ["commitPublication"])
)
fault("publication", "409 publication_conflict was due", slow=True, name="settles twice")(
    accepting("publication_conflict", ["commitPublication"])
)
fault("publication", "404 publication_not_found was due", slow=True, name="commits what was not reported")(
    accepting("publication_not_found", ["commitPublication"])
)
fault("publication-formats", "an output of format iceberg was told as delta", name="knows Delta alone")(
    answering(["claimRuns"], delta_alone)
)
fault("publication-formats", "the marker of format delta is", slow=True, name="marks by the run alone")(
    answering(["reportAttempt"], marked_by_run)
)
fault("publication-formats", "does not say when", slow=True, name="keeps no time")(
    answering(["reportAttempt"], without_time)
)
fault("publication-formats", "409 publication_conflict was due", slow=True, name="commits what has failed")(
    accepting("publication_conflict", ["commitPublication"])
)
fault("publication-wrong", "422 invalid_request was due", name="records any publication")(
    accepting("invalid_request", ["reportAttempt"])
)
fault("publication-capable", "was given to an executor with nothing", name="asks for no capability")(
    asking(["registerExecutor"], lambda body: body | {"capabilities": {"publish": ALL}})
)
fault("publication-capable", "was not given to an executor that names it", slow=True, name="reads no capability")(
    asking(["registerExecutor"], lambda body: body | {"capabilities": {}})
)
