"""Sync client of the operator plane, for the command line. Every failure is a ControlRoomError with a next step."""

from __future__ import annotations

import hashlib
import ipaddress
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast
from urllib.parse import urlsplit

import httpx

from contract import errors as contract_errors
from contract.errors import ContractError
from control_room.errors import FAILED, MISUSE, REFUSED, UNAVAILABLE, ControlRoomError

Json = dict[str, Any]
TIMEOUT = httpx.Timeout(30.0, connect=5.0)
BLOCK = 1024 * 1024
RETRY_PAUSE = 0.5
TERMINAL = frozenset({"succeeded", "failed", "cancelled", "skipped"})


class OperatorClient:
    """url: of the control room; token: of role operator or viewer; transport, clock and sleep: injected in tests.

    patience: seconds for which a request that may be repeated is repeated while the server cannot be reached.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        patience: float = 0.0,
        transport: httpx.BaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ):
        self.url = url.rstrip("/")
        self.patience = patience
        self._clock, self._sleep = clock, sleep
        headers = {"Authorization": f"Bearer {token}"}
        proxies = not is_loopback(self.url)  # a proxy cannot reach our own machine for us
        self._http = httpx.Client(headers=headers, timeout=TIMEOUT, transport=transport, trust_env=proxies)
        self._store = httpx.Client(timeout=TIMEOUT, transport=transport, trust_env=proxies)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._http.close()
        self._store.close()

    # Runs ------------------------------------------------------------------------------------------------------------

    def submit(self, template: str, params: Mapping[str, Any], **options: Any) -> Json:
        """The new run; options are the other fields of the request. A lost answer is asked for again, once per key."""
        key = options.pop("idempotency_key", None) or f"cli-{uuid.uuid4()}"
        body = {"template": template, "params": dict(params), "idempotency_key": key}
        return self._call("POST", "/runs", json={**body, **{k: v for k, v in options.items() if v is not None}})

    def submit_many(self, runs: Sequence[Mapping[str, Any]]) -> Json:
        """{items, accepted, refused} for up to 1,000 requests, each an item or a problem of its own. Those without an
        idempotency_key get one, so that a lost answer can be asked for again."""
        keyed = [{"idempotency_key": f"cli-{uuid.uuid4()}", **run} for run in runs]
        return self._call("POST", "/runs/bulk", json={"runs": keyed}, timeout=120.0)

    def list_runs(self, **filters: Any) -> Json:
        return self._call("GET", "/runs", params=_present(filters))

    def run(self, ref: str) -> Json:
        return self._call("GET", f"/runs/{_quoted(ref)}")

    def cancel(self, ref: str, reason: str, force: bool = False) -> Json:
        body = {"reason": reason, "force": force}
        return self._call("POST", f"/runs/{_quoted(ref)}/cancel", json=body, repeat=False)

    def retry(self, ref: str, failed_only: bool = True, latest: bool = False) -> Json:
        """latest: with the newest version of its template, not the one it had."""
        body = _present({"failed_only": None if failed_only else False, "template": "latest" if latest else None})
        return self._call("POST", f"/runs/{_quoted(ref)}/retry", json=body, repeat=False)

    def reproduce(self, ref: str, write_again: bool = False) -> Json:
        """write_again: also what its engine wrote by itself."""
        body = {"write_again": True} if write_again else {}
        return self._call("POST", f"/runs/{_quoted(ref)}/reproduce", json=body, repeat=False)

    def diff(self, ref: str, other: str) -> Json:
        """{one, other, same_outputs, sections, tasks}."""
        return self._call("GET", f"/runs/{_quoted(ref)}/diff/{_quoted(other)}")

    def steer_run(self, verb: str, ref: str, **body: Any) -> Json:
        """verb: pause, resume, reschedule or requeue; body: as the API takes it, of a requeue {force: true, epoch}.

        Repeating one changes nothing.
        """
        return self._call("POST", f"/runs/{_quoted(ref)}/{verb}", json=body)

    def dead_letters(self, **filters: Any) -> Json:
        return self._call("GET", "/dead-letters", params=_present(filters))

    def replay(self, **body: Any) -> Json:
        """body {runs} or {match, limit} -> {items: [{ref, run, problem}], replayed}. What was replayed is not again."""
        return self._call("POST", "/dead-letters/replay", json=body, repeat=False, timeout=120.0)

    def lineage(self, ref: str) -> Json:
        """{run_id, number, inputs, outputs, events} of a run."""
        return self._call("GET", f"/runs/{_quoted(ref)}/lineage")

    def why(self, ref: str) -> Json:
        return self._call("GET", f"/runs/{_quoted(ref)}/why")

    def events(self, ref: str, after_seq: int = 0) -> Json:
        return self._call("GET", f"/runs/{_quoted(ref)}/events", params={"after_seq": after_seq, "limit": 1000})

    def logs(self, ref: str, after: str | None = None, stream: str | None = None) -> Json:
        return self._call("GET", f"/runs/{_quoted(ref)}/logs", params=_present({"after": after, "stream": stream}))

    # Provenance ------------------------------------------------------------------------------------------------------

    def manifest(self, ref: str) -> Json:
        """{run_id, number, state, manifest_root, manifest|null, on_record|null}."""
        return self._call("GET", f"/runs/{_quoted(ref)}/manifest")

    def chain(self, ref: str, after_seq: int = 0) -> Json:
        """{run_id, head, cut|null, items: [event as stored]}."""
        return self._call("GET", f"/runs/{_quoted(ref)}/chain", params={"after_seq": after_seq, "limit": 1000})

    def signing_keys(self) -> list[Json]:
        return cast(list[Json], self._call("GET", "/signing-keys")["items"])

    # Artifacts -------------------------------------------------------------------------------------------------------

    def artifacts(self, ref: str) -> list[Json]:
        return cast(list[Json], self._call("GET", f"/runs/{_quoted(ref)}/artifacts")["items"])

    def verify(self, artifact_id: str) -> Json:
        return self._call("GET", f"/artifacts/{_quoted(artifact_id)}/verify", timeout=600.0)

    def download(self, artifact_id: str, target: Path, sha256: str | None) -> str:
        """Write the bytes to `target`, through a file beside it; refused when they are not `sha256`. Answers it."""
        draft = target.with_name(f".{target.name}.part")
        try:
            found = self._fetch(artifact_id, draft)
            if sha256 is not None and found != sha256:
                raise ControlRoomError(
                    f"the bytes have sha256 {found}, on record is {sha256}; nothing was written",
                    where=artifact_id,
                    next_step="try again; then `control-room artifacts verify`: the object in the store was changed",
                )
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)
        return found

    def artifact_bytes(self, artifact_id: str) -> Iterator[bytes]:
        """The bytes as the object store has them, piece by piece; a ControlRoomError of code `bytes_missing` where it
        has none."""
        location = self._send("GET", f"/artifacts/{_quoted(artifact_id)}/download").headers.get("location", "")
        try:
            with self._store.stream("GET", location) as answer:
                if answer.status_code == httpx.codes.NOT_FOUND:
                    raise ControlRoomError(
                        "the object store has nothing there", where=artifact_id, code="bytes_missing"
                    )
                if answer.status_code != httpx.codes.OK:
                    raise _store_refused(answer.status_code, artifact_id)
                yield from answer.iter_bytes()
        except httpx.HTTPError as error:
            raise _unreachable(location.partition("?")[0], error) from error

    def _fetch(self, artifact_id: str, draft: Path) -> str:
        digest = hashlib.sha256()
        try:
            with draft.open("wb") as file:
                for block in self.artifact_bytes(artifact_id):
                    digest.update(block)
                    file.write(block)
        except OSError as error:
            raise ControlRoomError(
                f"cannot write: {error.strerror}", where=str(draft.parent), next_step="pass another --output",
                exit_code=MISUSE,
            ) from error  # fmt: skip
        return digest.hexdigest()

    # Templates, executors, the rest ----------------------------------------------------------------------------------

    def templates(self) -> list[Json]:
        return cast(list[Json], self._call("GET", "/templates")["items"])

    def template(self, name: str) -> Json:
        return self._call("GET", f"/templates/{_quoted(name)}")

    def put_template(self, name: str, spec: Mapping[str, Any]) -> Json:
        return self._call("PUT", f"/templates/{_quoted(name)}", json=dict(spec))

    def put_bundle(self, archive: bytes, workspace: str | None = None) -> Json:
        """Upload a code bundle unless the store has it: {sha256, size}. workspace: whose it is; None for our home."""
        sha256 = hashlib.sha256(archive).hexdigest()
        body = {"sha256": sha256, "size": len(archive), "workspace": workspace}
        upload = self._call("POST", "/bundles", json=_present(body))["upload"]
        if upload is not None:
            self._upload(upload, archive)
        return {"sha256": sha256, "size": len(archive)}

    def executors(self) -> list[Json]:
        return cast(list[Json], self._call("GET", "/executors")["items"])

    def steer_executor(self, verb: str, ref: str, **body: Any) -> Json:
        """verb: pause, resume or drain."""
        return self._call("POST", f"/executors/{_quoted(ref)}/{verb}", json=body)

    def queues(self) -> list[Json]:
        return cast(list[Json], self._call("GET", "/queues")["items"])

    def steer_queue(self, verb: str, queue: str, **body: Any) -> Json:
        """verb: pause or resume."""
        return self._call("POST", f"/queues/{_quoted(queue)}/{verb}", json=body)

    def hold(self, ref: str, reason: str) -> Json:
        return self._call("PUT", f"/runs/{_quoted(ref)}/legal-hold", json={"reason": reason})

    def release(self, ref: str) -> Json:
        return self._call("DELETE", f"/runs/{_quoted(ref)}/legal-hold")

    def preview(self, artifact_id: str) -> Json:
        """{artifact, preview, text, text_cut}."""
        return self._call("GET", f"/artifacts/{artifact_id}/preview")

    def collection(self) -> Json:
        """{safety_hours, lost, collectable, uploads, expiring, held, items}."""
        return self._call("GET", "/collection")

    def caps(self) -> Json:
        """{items, ledger}."""
        return self._call("GET", "/caps")

    def put_cap(self, **body: Any) -> Json:
        """body: scope, scope_ref, cap, limit; limit None removes it."""
        return self._call("PUT", "/caps", json=body)

    def explain_caps(self, ref: str) -> Json:
        """{run_id, number, caps, budgets, ledger} of a run."""
        return self._call("GET", f"/runs/{_quoted(ref)}/caps")

    def budgets(self) -> Json:
        """{items, warnings}."""
        return self._call("GET", "/budgets")

    def put_budget(self, **body: Any) -> Json:
        """body: scope, scope_ref, unit, period, limit and more; limit None removes it."""
        return self._call("PUT", "/budgets", json=body)

    def check_budgets(self) -> Json:
        """{balances, wrong, leases}."""
        return self._call("GET", "/budgets/check")

    def prices(self) -> list[Json]:
        return cast(list[Json], self._call("GET", "/prices")["items"])

    def put_prices(self, **body: Any) -> Json:
        """body: currency, prices {kind or "*": {unit: price}}, valid_from."""
        return self._call("POST", "/prices", json=body, repeat=False)

    def workspaces(self) -> list[Json]:
        return cast(list[Json], self._call("GET", "/workspaces")["items"])

    def info(self) -> Json:
        return self._call("GET", "/info")

    def login_code(self) -> Json:
        return self._call("POST", "/auth/login-codes", json={}, repeat=False)

    # The wire --------------------------------------------------------------------------------------------------------

    def _call(self, method: str, path: str, **options: Any) -> Json:
        answer: Json = self._send(method, path, **options).json()
        return answer

    def _send(self, method: str, path: str, *, repeat: bool = True, **options: Any) -> httpx.Response:
        deadline = self._clock() + (self.patience if repeat else 0.0)
        while True:
            try:
                return self._send_once(method, path, **options)
            except ControlRoomError as error:
                if error.exit_code != UNAVAILABLE or self._clock() >= deadline:
                    raise
                self._sleep(RETRY_PAUSE)

    def _send_once(self, method: str, path: str, **options: Any) -> httpx.Response:
        url = f"{self.url}/api/v1{path}"
        try:
            answer = self._http.request(method, url, **options)
        except httpx.HTTPError as error:
            raise _unreachable(self.url, error) from error
        if answer.is_error:
            raise _refused(contract_errors.from_response(answer.status_code, answer.content), f"{method} {url}")
        return answer

    def _upload(self, upload: Mapping[str, Any], archive: bytes) -> None:
        try:
            answer = self._store.request(upload["method"], upload["url"], headers=upload["headers"], content=archive)
        except httpx.HTTPError as error:
            raise _unreachable(upload["url"].partition("?")[0], error) from error
        # 412: the object is there already, put by someone else under the same digest.
        if answer.is_error and answer.status_code != httpx.codes.PRECONDITION_FAILED:
            raise _store_refused(answer.status_code, upload["url"].partition("?")[0])


def is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def tasks_of(run: Mapping[str, Any]) -> Iterator[Json]:
    """The children of a pipeline run in order of their numbers; the run itself when it has none."""
    children = sorted(run.get("children") or [], key=lambda child: child["number"])
    yield from children or [dict(run)]


def _present(values: Mapping[str, Any]) -> Json:
    return {name: value for name, value in values.items() if value is not None}


def _quoted(part: str) -> str:
    """A name or number as one part of a path. Raises for what would lead to another path."""
    from urllib.parse import quote

    if part in ("", ".", "..") or "/" in part:
        raise ControlRoomError(f"{part!r} is no name, number or id", exit_code=MISUSE)
    return quote(part, safe="")


def _refused(error: ContractError, where: str) -> ControlRoomError:
    issues = [f"{issue.get('path') or '/'}: {issue.get('message')}" for issue in error.members.get("errors") or []]
    detail = "\n  ".join([f"{len(issues)} places are wrong:", *issues]) if len(issues) > 1 else error.detail
    if error.members.get("kinds"):
        detail += f"; known kinds: {', '.join(sorted(error.members['kinds']))}"
    return ControlRoomError(
        detail,
        where=where,
        next_step=error.hint or _next_step(error),
        exit_code=_exit_code(error),
        code=error.code,
        members={"status": error.status, **error.members},
    )


def _exit_code(error: ContractError) -> int:
    if isinstance(error, contract_errors.Unavailable):
        return UNAVAILABLE
    if isinstance(error, contract_errors.Invalid):
        return MISUSE
    return FAILED if isinstance(error, contract_errors.InternalError) else REFUSED


def _next_step(error: ContractError) -> str:
    steps = {
        "unauthenticated": "check OPS_TOKEN_FILE, or the stack's folder with --data-dir",
        "forbidden": "use a token of role operator",
        "template_not_found": "see `control-room templates ls`",
        "run_not_found": "see `control-room runs ls`",
        "database_unavailable": "try again in a moment; see `control-room status`",
        "object_store_unavailable": "try again in a moment; see `control-room status`",
        "internal": "see the server's log (`control-room status` names it)",
    }
    return steps.get(error.code, "")


def _unreachable(url: str, error: Exception) -> ControlRoomError:
    return ControlRoomError(
        f"no answer: {error or type(error).__name__}",
        where=url,
        next_step="see `control-room status`; start the stack with `control-room up`",
        exit_code=UNAVAILABLE,
    )


def _store_refused(status: int, where: str) -> ControlRoomError:
    return ControlRoomError(
        f"the object store refused (HTTP {status})",
        where=where,
        next_step="try again; see `control-room status`",
        exit_code=UNAVAILABLE,
    )
