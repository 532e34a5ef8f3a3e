"""Every error of the control room: one table, one small exception tree, one reader of problem bodies.

    ContractError
    ├── Unauthenticated          401
    ├── Forbidden                403
    ├── NotFound                 404   405
    ├── Conflict                 409
    │   ├── LeaseLost                  stop working on the run
    │   ├── AlreadyReported            another report is on record
    │   ├── ExecutorGone               register again
    │   ├── UploadMissing              PUT the bytes, then record
    │   └── DigestMismatch             other bytes than announced
    ├── Invalid                  400   415   422
    │   ├── PayloadTooLarge      413
    │   └── CapExceeded          422
    ├── Unavailable              503   the only one worth sending again as it is
    │   └── Unreachable                no answer at all (never sent by a server)
    └── InternalError            500   and answers that are no problem document

`TABLE` ties code, HTTP status, exception, SQLSTATE and title together; nothing else in the project repeats it.
"""

# ruff: noqa: N818  (the names say what happened; "Error" would say it twice)

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

PROBLEM_MEDIA_TYPE = "application/problem+json"
URN = "urn:control-room:error:"
_STANDARD = frozenset({"type", "title", "status", "detail", "code", "hint", "instance"})


class ContractError(Exception):
    """An error with a stable code.

    code: str from TABLE; status: HTTP status (0 when no server answered); detail: what was wrong and where;
    members: the members particular to the code; hint: what to do, or None; retry_after: seconds, or None.
    """

    default_code: ClassVar[str] = "internal"

    def __init__(
        self,
        detail: str,
        *,
        code: str | None = None,
        status: int | None = None,
        members: Mapping[str, Any] | None = None,
        hint: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        self.code = code or self.default_code
        self.status = BY_CODE[self.code].status if status is None else status
        self.detail, self.hint, self.retry_after = detail, hint, retry_after
        self.members: dict[str, Any] = dict(members or {})
        super().__init__(detail)

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}" + (f" ({self.hint})" if self.hint else "")

    def problem(self) -> dict[str, Any]:
        """The RFC 9457 body of this error."""
        row = BY_CODE.get(self.code)
        body = {"type": URN + self.code, "title": row.title if row else self.code, "status": self.status}
        body |= {"detail": self.detail, "code": self.code} | ({"hint": self.hint} if self.hint else {})
        return body | {name: value for name, value in self.members.items() if name not in _STANDARD}


class Unauthenticated(ContractError):
    """No valid token."""

    default_code = "unauthenticated"


class Forbidden(ContractError):
    """A valid token that does not open this."""

    default_code = "forbidden"


class NotFound(ContractError):
    """There is no such thing for this token."""

    default_code = "not_found"


class Conflict(ContractError):
    """What is on record does not go with the request; the members say what is on record."""

    default_code = "invalid_transition"


class LeaseLost(Conflict):
    """Another epoch holds the run, or it is over: stop working on it."""

    default_code = "lease_lost"

    @property
    def reason(self) -> str | None:
        """expired, cancelled, superseded or terminal."""
        return self.members.get("reason")


class AlreadyReported(Conflict):
    """Another report of this attempt was accepted."""

    default_code = "already_reported"


class ExecutorGone(Conflict):
    """The executor has left: register again with a new instance_id."""

    default_code = "executor_gone"


class UploadMissing(Conflict):
    """The object store does not hold the bytes announced."""

    default_code = "upload_missing"


class DigestMismatch(Conflict):
    """The bytes are not the ones announced."""

    default_code = "digest_mismatch"


class Invalid(ContractError):
    """The request breaks the contract; `errors` names the places."""

    default_code = "invalid_request"

    @property
    def errors(self) -> list[dict[str, Any]]:
        """[{path, message}]; empty when the error is about the request as a whole."""
        return list(self.members.get("errors", []))


class PayloadTooLarge(Invalid):
    """The body is over the limit."""

    default_code = "payload_too_large"


class CapExceeded(Invalid):
    """A hard ceiling was met; members cap, limit, observed."""

    default_code = "cap_exceeded"


class Unavailable(ContractError):
    """The server cannot do it now: send the same request again after `retry_after` seconds."""

    default_code = "database_unavailable"


class Unreachable(Unavailable):
    """No answer at all: connection refused, lost, or timed out."""

    def __init__(self, detail: str, *, hint: str | None = None) -> None:
        super().__init__(detail, code="unreachable", status=0, hint=hint)


class InternalError(ContractError):
    """A defect of the server, or an answer that is no problem document."""


@dataclass(frozen=True)
class Row:
    """One error: its code, HTTP status, exception, SQLSTATE (None when SQL never raises it) and title."""

    code: str
    status: int
    exception: type[ContractError]
    sqlstate: str | None
    title: str


TABLE: tuple[Row, ...] = (
    Row("unauthenticated", 401, Unauthenticated, "OPU01", "Not authenticated"),
    Row("forbidden", 403, Forbidden, "OPU02", "Not allowed"),
    Row("login_code_invalid", 401, Unauthenticated, "OPU03", "Login code not valid"),
    Row("run_not_found", 404, NotFound, "OPN01", "Run not found"),
    Row("template_not_found", 404, NotFound, "OPN02", "Template not found"),
    Row("executor_not_found", 404, NotFound, "OPN03", "Executor not found"),
    Row("artifact_not_found", 404, NotFound, "OPN04", "Artifact not found"),
    Row("publication_not_found", 404, NotFound, "OPN05", "Publication not found"),
    Row("bundle_not_found", 404, NotFound, "OPN06", "Bundle not found"),
    Row("workspace_not_found", 404, NotFound, "OPN07", "Workspace not found"),
    Row("budget_not_found", 404, NotFound, "OPN08", "No such budget"),
    Row("lease_lost", 409, LeaseLost, "OPC01", "Lease lost"),
    Row("already_reported", 409, AlreadyReported, "OPC02", "Already reported"),
    Row("idempotency_conflict", 409, Conflict, "OPC03", "Idempotency key used before"),
    Row("artifact_conflict", 409, Conflict, "OPC04", "Artifact exists"),
    Row("invalid_transition", 409, Conflict, "OPC05", "Not possible in this state"),
    Row("request_id_conflict", 409, Conflict, "OPC06", "Request id used before"),
    Row("publication_conflict", 409, Conflict, "OPC07", "Publication settled otherwise"),
    Row("contract_version_unsupported", 409, Conflict, "OPC08", "Contract version not spoken"),
    Row("executor_gone", 409, ExecutorGone, "OPC09", "Executor has left"),
    Row("log_conflict", 409, Conflict, "OPC10", "Log chunk stored with other text"),
    Row("dedupe_conflict", 409, Conflict, "OPC11", "Dedupe key held by another run"),
    Row("template_changed", 409, Conflict, "OPC12", "Template changed meanwhile"),
    Row("invalid_request", 422, Invalid, "OPV01", "Request breaks the contract"),
    Row("params_invalid", 422, Invalid, "OPV02", "Parameters break the template's schema"),
    Row("unknown_kind", 422, Invalid, "OPV03", "Kind not known"),
    Row("unknown_state", 422, Invalid, "OPV04", "State not known"),
    Row("dependency_invalid", 422, Invalid, "OPV05", "Dependency not valid"),
    Row("artifact_name_invalid", 422, Invalid, "OPV06", "Artifact name not allowed"),
    Row("cap_exceeded", 422, CapExceeded, "OPX01", "Cap exceeded"),
    Row("budget_exhausted", 422, CapExceeded, "OPX02", "Budget has no room"),
    Row("malformed_json", 400, Invalid, None, "Malformed JSON"),
    Row("invalid_encoding", 400, Invalid, None, "Not UTF-8"),
    Row("payload_too_large", 413, PayloadTooLarge, None, "Body too large"),
    Row("unsupported_media_type", 415, Invalid, None, "Media type not read here"),
    Row("method_not_allowed", 405, NotFound, None, "Method not allowed"),
    Row("not_found", 404, NotFound, None, "Path not found"),
    Row("origin_refused", 403, Forbidden, None, "Origin refused"),
    Row("object_busy", 503, Unavailable, "OPR01", "Object is being removed"),
    Row("database_unavailable", 503, Unavailable, None, "Database unavailable"),
    Row("object_store_unavailable", 503, Unavailable, None, "Object store unavailable"),
    Row("artifact_verifying", 503, Unavailable, None, "Bytes being verified"),
    Row("artifact_expired", 410, NotFound, None, "Artifact over its retention"),
    Row("upload_missing", 409, UploadMissing, None, "Bytes not uploaded"),
    Row("digest_mismatch", 409, DigestMismatch, None, "Other bytes stored"),
    Row("internal", 500, InternalError, None, "Internal error"),
)
BY_CODE: dict[str, Row] = {row.code: row for row in TABLE}
BY_SQLSTATE: dict[str, Row] = {row.sqlstate: row for row in TABLE if row.sqlstate}


def make(code: str, detail: str, *, hint: str | None = None, **members: Any) -> ContractError:
    """The exception of `code`, for instance make("run_not_found", "there is no run 42", run_id=...)."""
    return BY_CODE[code].exception(detail, code=code, members=members, hint=hint)


def from_sqlstate(
    sqlstate: str, detail: str, members: Mapping[str, Any] | None = None, hint: str | None = None
) -> ContractError | None:
    """The exception of a private SQLSTATE; None when the table does not hold it."""
    row = BY_SQLSTATE.get(sqlstate)
    return row.exception(detail, code=row.code, members=members, hint=hint) if row else None


def from_response(status: int, body: bytes, retry_after: float | None = None) -> ContractError:
    """The exception of an HTTP error response. A body that is no problem document still gives the nearest one."""
    problem = _problem(body)
    code = problem.get("code")
    if not isinstance(code, str):
        return _foreign(status, retry_after)
    row = BY_CODE.get(code)
    return (row.exception if row else _by_status(status))(
        str(problem.get("detail") or problem.get("title") or code),
        code=code,
        status=status,
        members={name: value for name, value in problem.items() if name not in _STANDARD},
        hint=problem.get("hint"),
        retry_after=retry_after,
    )


def _problem(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _foreign(status: int, retry_after: float | None) -> ContractError:
    """An answer from something in between (a proxy, a gateway), or from another service altogether."""
    return _by_status(status)(
        f"the answer (HTTP {status}) is no problem document of the control room",
        code="unexpected_response",
        status=status,
        hint="check that the URL is the control room's and that no proxy answers for it",
        retry_after=retry_after,
    )


def _by_status(status: int) -> type[ContractError]:
    if status in (502, 503, 504):
        return Unavailable
    known: dict[int, type[ContractError]] = {401: Unauthenticated, 403: Forbidden, 404: NotFound, 409: Conflict}
    return known.get(status, InternalError if status >= 500 else Invalid)
