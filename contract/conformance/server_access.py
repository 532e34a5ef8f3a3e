"""Cases of the server kit: the document, tokens, and requests that no server may accept."""

from typing import Any
from uuid import uuid4

import yaml

from contract.conformance.desk import Desk, Json
from contract.conformance.plane import BODY_BYTES, LOG_BODY_BYTES, ROUTES
from contract.conformance.verdict import Register, Skipped, require

CASES: Register[Desk] = Register()
IDS = {name: str(uuid4()) for name in ("executor_id", "run_id", "artifact_id")} | {
    "output": "table",
    "sha256": "0" * 64,
}


def each_operation() -> list[tuple[str, str, str]]:
    """(operation, method, path) of the document, with parameters that name nothing."""
    return [(name, method, path.format_map(IDS)) for name, method, path, _ in ROUTES]


@CASES.case(
    "document",
    "serves the document",
    "GET /openapi.yaml answers an OpenAPI 3.1 document with every operation of this contract, and Contract-Version.",
)
def document(desk: Desk) -> str:
    response = desk.call("GET", "/openapi.yaml")
    require(response.status_code == 200, f"it answered {response.status_code}")
    found = yaml.safe_load(response.text)
    require(
        isinstance(found, dict) and str(found.get("openapi", "")).startswith("3.1"), "it is no OpenAPI 3.1 document"
    )
    served = {
        method.get("operationId")
        for path in found["paths"].values()
        for method in path.values()
        if "operationId" in method
    }
    missing = {name for name, *_ in ROUTES} - served
    require(not missing, f"it lacks {', '.join(sorted(missing))}")
    require(response.headers.get("contract-version"), "the answer has no Contract-Version header")
    return f"version {found['info']['version']}"


@CASES.case(
    "unauthenticated",
    "refuses callers without a valid token",
    "Every operation answers 401 `unauthenticated` without a token and with an unknown one, before it looks at "
    "anything else of the request.",
)
def unauthenticated(desk: Desk) -> str:
    for _, method, path in each_operation():
        for token in (None, "no-such-token-" + uuid4().hex):
            desk.refused(401, "unauthenticated", method, path, token=token)
    response = desk.call("GET", "/openapi.yaml", token=None)
    require("bearer" in response.headers.get("www-authenticate", "").lower(), "401 has no WWW-Authenticate: Bearer")
    return f"{len(each_operation())} operations"


@CASES.case(
    "forbidden",
    "refuses tokens of another role",
    "Every operation answers 403 `forbidden` to a valid token that is not of role executor.",
)
def forbidden(desk: Desk) -> None:
    if desk.server.operator_token is None:
        raise Skipped("this needs an operator's token (--operator-token-file)")
    for _, method, path in each_operation():
        desk.refused(403, "forbidden", method, path, token=desk.server.operator_token)


@CASES.case(
    "bad-json",
    "refuses what is no strict JSON",
    "400 for no JSON, bytes that are not UTF-8, duplicate keys, NaN; 422 for U+0000 and lone surrogates in strings.",
)
def bad_json(desk: Desk) -> None:
    path = f"/executors/{desk.register()}/heartbeat"
    for content in (
        b"",
        b"{",
        b'{"state": "active", "runs": [],}',
        b'{"state": "active", "state": "active", "runs": []}',
    ):
        desk.refused(400, "malformed_json", "POST", path, content=content)
    desk.refused(400, "malformed_json", "POST", path, content=b'{"state": "active", "runs": NaN}')
    desk.refused(400, "invalid_encoding", "POST", path, content=b'{"state": "\xff", "runs": []}')
    for text in (b"\\u0000", b"\\ud800"):
        content = b'{"instance_id": "%s", "name": "%s"}' % (str(uuid4()).encode(), text)
        desk.refused(422, "invalid_request", "POST", "/executors", content=content)


@CASES.case(
    "media-type",
    "refuses other media types",
    "415 `unsupported_media_type` for a body that is not application/json.",
)
def media_type(desk: Desk) -> None:
    headers = {"content-type": "application/yaml"}
    desk.refused(415, "unsupported_media_type", "POST", "/executors", content=b"a: 1", headers=headers)


@CASES.case(
    "unknown-members",
    "refuses unknown members and broken values",
    "422 `invalid_request`, whose `errors` name the place by JSON Pointer.",
)
def unknown_members(desk: Desk) -> None:
    body = desk.registration()
    wrong: dict[str, Any] = {"/colour": "blue", "/slots": "many", "/instance_id": "seven", "/contract": {"min": "1.0"}}
    for pointer, value in wrong.items():
        problem = desk.refused(422, "invalid_request", "POST", "/executors", body | {pointer[1:]: value})
        places = [error["path"] for error in problem.get("errors", [])]
        require(any(place.startswith(pointer) for place in places), f"{pointer} is wrong; the errors name {places}")
    missing = {name: value for name, value in body.items() if name != "kind"}
    desk.refused(422, "invalid_request", "POST", "/executors", missing)


@CASES.case(
    "oversize",
    "refuses bodies over the limit",
    "413 `payload_too_large` over 4 MiB, and over 1 MiB for appendLogs.",
)
def oversize(desk: Desk) -> None:
    executor_id = desk.register()
    for path, limit in (
        (f"/executors/{executor_id}/heartbeat", BODY_BYTES),
        (f"/runs/{IDS['run_id']}/logs", LOG_BODY_BYTES),
    ):
        desk.refused(413, "payload_too_large", "POST", path, content=b" " * (limit + 1))
    body = b'{"state": "active", "runs": []}'
    path = f"/executors/{executor_id}/heartbeat"
    fits = desk.call("POST", path, content=body + b" " * (BODY_BYTES - len(body)))
    require(fits.status_code == 200, f"a body of exactly {BODY_BYTES} bytes was answered {fits.status_code}")


@CASES.case(
    "unknown-path",
    "refuses what the document does not have",
    "404 `not_found` for an unknown path, 405 `method_not_allowed` for another method, 422 for an id that is no UUID.",
)
def unknown_path(desk: Desk) -> None:
    desk.refused(404, "not_found", "GET", "/no-such-thing")
    desk.refused(405, "method_not_allowed", "PATCH", "/executors")
    desk.refused(422, "invalid_request", "POST", "/executors/seven/claims", desk.wish())


@CASES.case(
    "not-found",
    "says what is not there",
    "404 with the code of the thing: executor_not_found, run_not_found, artifact_not_found, bundle_not_found.",
)
def not_found(desk: Desk) -> None:
    executor, run = IDS["executor_id"], IDS["run_id"]
    desk.refused(404, "executor_not_found", "POST", f"/executors/{executor}/claims", desk.wish())
    desk.refused(404, "executor_not_found", "POST", f"/executors/{executor}/heartbeat", {"state": "active", "runs": []})
    desk.refused(404, "executor_not_found", "DELETE", f"/executors/{executor}")
    desk.refused(404, "run_not_found", "POST", f"/runs/{run}/artifacts/{IDS['artifact_id']}/record", {"epoch": 1})
    desk.refused(404, "artifact_not_found", "GET", f"/artifacts/{IDS['artifact_id']}")
    desk.refused(404, "bundle_not_found", "GET", f"/bundles/{IDS['sha256']}")


@CASES.case(
    "traceparent",
    "accepts a traceparent on every operation",
    "The W3C header changes no answer: each operation, asked for what is not there, answers as without it.",
)
def traceparent(desk: Desk) -> str:
    headers = {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
    for name, method, path in each_operation():
        body: Json | None = {} if method == "POST" else None
        plain, traced = (desk.call(method, path, body, headers=more).status_code for more in ({}, headers))
        require(traced == plain, f"{name} answered {traced} with a traceparent, {plain} without")
    return f"{len(each_operation())} operations"
