"""Servers with one thing broken, in each way that a case of the server kit stands against."""

from __future__ import annotations

from uuid import uuid4

import httpx
import yaml

from contract.errors import make
from tests.conformance.defects import (
    ACCEPTED,
    FAULTS,
    Json,
    Remembering,
    Send,
    accepting,
    answering,
    asking,
    body_of,
    directive,
    fault,
    operation,
    problem_of,
    problems,
    refuses,
    report_answer,
    resent,
)
from tests.contract.operator.conftest import EXECUTOR, OPERATOR

__all__ = ["FAULTS"]
CLAIMS = ("claimRuns", "exchange")

# Access ---------------------------------------------------------------------------------------------------------------


@fault("document", "it lacks exchange", slow=True)
def serves_an_old_document(request: httpx.Request, send: Send) -> httpx.Response:
    response = send(request)
    if operation(request) != "getContract" or response.status_code != 200:
        return response
    found = yaml.safe_load(response.text)
    found["paths"] = {path: item for path, item in found["paths"].items() if not path.endswith("/exchange")}
    return httpx.Response(200, headers={"contract-version": "1.0"}, content=yaml.safe_dump(found).encode())


@fault("unauthenticated", "401 unauthenticated was due", slow=True)
def lets_anybody_in(request: httpx.Request, send: Send) -> httpx.Response:
    return send(resent(request, request.content, authorization=f"Bearer {EXECUTOR}"))


@fault("unauthenticated", "as text/plain, not application/problem+json")
def answers_plain_errors(request: httpx.Request, send: Send) -> httpx.Response:
    response = send(request)
    return httpx.Response(response.status_code, text="sorry") if response.status_code == 401 else response


@fault("forbidden", "403 forbidden was due", slow=True)
def takes_every_role_for_an_executor(request: httpx.Request, send: Send) -> httpx.Response:
    mine = operation(request) != "operator" and OPERATOR in request.headers.get("authorization", "")
    return send(resent(request, request.content, authorization=f"Bearer {EXECUTOR}") if mine else request)


@fault("bad-json", "400 malformed_json was due", slow=True)
def takes_the_last_of_two_keys(request: httpx.Request, send: Send) -> httpx.Response:
    body = body_of(request)
    return send(resent(request, body) if body else request)


@fault("media-type", "415 unsupported_media_type was due", slow=True)
def reads_any_media_type(request: httpx.Request, send: Send) -> httpx.Response:
    return send(resent(request, request.content, content_type="application/json") if request.content else request)


@fault("oversize", "413 payload_too_large was due", slow=True)
def measures_without_white_space(request: httpx.Request, send: Send) -> httpx.Response:
    return send(resent(request, request.content.strip()) if request.content else request)


@fault("unknown-path", "405 method_not_allowed was due", slow=True)
def takes_patch_for_post(request: httpx.Request, send: Send) -> httpx.Response:
    if request.method == "PATCH":
        request = httpx.Request("POST", request.url, headers=request.headers, content=request.content)
    return send(request)


@fault("not-found", "404 executor_not_found was due", slow=True)
def lets_strangers_leave(request: httpx.Request, send: Send) -> httpx.Response:
    response = send(request)
    return httpx.Response(204) if request.method == "DELETE" and response.status_code == 404 else response


@fault("traceparent", "claimRuns answered 400 with a traceparent, 422 without", slow=True)
def refuses_a_traceparent_at_claims(request: httpx.Request, send: Send) -> httpx.Response:
    if operation(request) != "claimRuns" or "traceparent" not in request.headers:
        return send(request)
    return problem_of(make("malformed_json", "there is a traceparent").problem())


fault("unknown-members", "422 invalid_request was due", slow=True, name="leaves unknown members out")(
    asking(["registerExecutor"], lambda body: {name: body[name] for name in body if name != "colour"})
)

# Executors and claims -------------------------------------------------------------------------------------------------

fault("register-twice", "the same instance_id got two executor_ids", slow=True, name="knows no instance again")(
    asking(["registerExecutor"], lambda body: body | {"instance_id": str(uuid4())})
)
fault("versions", "1.0 to 1.0 was answered 1.1", slow=True, name="always answers its newest version")(
    answering(["registerExecutor"], lambda _, answer: answer | {"contract_version": "1.1"})
)
fault("unknown-kind", "422 unknown_kind was due", slow=True, name="takes every kind for python")(
    asking(["registerExecutor"], lambda body: body | {"kind": "python"})
)
fault("claim-waits", "it was answered after 0.", slow=True, name="waits for nothing")(
    asking(CLAIMS, lambda body: body | {"wait_seconds": 0})
)
fault("claim-repeat", "the repeated claim was answered with []", name="forgets claims")(
    asking(["claimRuns"], lambda body: body | {"request_id": str(uuid4()), "wait_seconds": 0})
)


@fault("claim-repeat", "409 request_id_conflict was due", slow=True, name="looks at the request_id alone")
class LooksAtTheRequestIdAlone(Remembering):
    def __init__(self) -> None:
        super().__init__(("request_id",))


@fault("claim-repeat", "a repeated claim brought a run that is done", slow=True, name="repeats what is done")
class RepeatsWhatIsDone(Remembering):
    def __init__(self) -> None:
        super().__init__(("request_id", "max_runs"))


@fault("claim-exclusive", "was given to a second executor", name="gives a run to everybody")
class GivesARunToEverybody:
    def __init__(self) -> None:
        self.runs: list[Json] = []

    def __call__(self, request: httpx.Request, send: Send) -> httpx.Response:
        response = send(request)
        if operation(request) != "claimRuns" or response.status_code != 200:
            return response
        self.runs = response.json()["runs"] or self.runs
        return httpx.Response(200, json=response.json() | {"runs": self.runs})


@fault("heartbeat", "the deadline did not move", name="renews nothing")
class RenewsNothing:
    def __init__(self) -> None:
        self.deadlines: dict[str, str] = {}

    def __call__(self, request: httpx.Request, send: Send) -> httpx.Response:
        response = send(request)
        if operation(request) not in ("claimRuns", "heartbeat") or response.status_code != 200:
            return response
        answer = response.json()
        for run in answer["runs"]:
            run["lease_deadline"] = self.deadlines.setdefault(run["run_id"], run["lease_deadline"])
        return httpx.Response(200, json=answer)


@fault("heartbeat", "another executor was told continue", slow=True, name="renews for anybody")
class RenewsForAnybody:
    def __init__(self) -> None:
        self.holder: httpx.URL | None = None

    def __call__(self, request: httpx.Request, send: Send) -> httpx.Response:
        if operation(request) != "heartbeat":
            return send(request)
        self.holder = self.holder or request.url
        return send(httpx.Request("POST", self.holder, headers=request.headers, content=request.content))


@fault("heartbeat", "heartbeat answered 404", slow=True)
def fails_a_heartbeat_for_one_run(request: httpx.Request, send: Send) -> httpx.Response:
    response = send(request)
    if operation(request) != "heartbeat" or b'"superseded"' not in response.content:
        return response
    return problem_of(make("run_not_found", "one of the runs is not there").problem())


fault("cancel", "the directive is continue", name="tells of no cancellation")(directive("cancel", "continue"))
fault("cancel", "it says", slow=True, name="gives no grace")(directive("cancel", "cancel", grace_seconds=None))
fault("revoked", "the directive is continue", slow=True, name="tells of no revocation")(
    directive("superseded", "continue")
)
fault("revoked", "409 lease_lost was due", name="asks where it was told to force")(
    asking(["operator"], lambda body: {name: body[name] for name in body if name != "force"})
)


fault("revoked", "the revocation did not raise the epoch", slow=True, name="revokes at the same epoch")(
    problems(epoch_current=lambda told: told["epoch_sent"])
)
fault("revoked", "the reason is expired", slow=True, name="takes every loss for an expiry")(
    problems(reason=lambda _: "expired")
)
fault("foreign-epoch", "/logs: epochs (", name="names no holder")(problems(epoch_current=lambda _: None))

# Epochs and reports ---------------------------------------------------------------------------------------------------

for verb in ACCEPTED:
    fault("stale-epoch", "409 lease_lost was due", name=f"accepts a stale {verb}")(accepting("lease_lost", [verb]))
fault("stale-epoch", "the stale epoch was told continue", name="renews a stale lease")(
    directive("superseded", "continue")
)
fault("retried-epoch", "409 lease_lost was due", name="accepts logs of an epoch before")(
    accepting("lease_lost", ["appendLogs"])
)
fault("expired", "/report: 409 lease_lost was due", slow=True, name="accepts the report of an expired lease")(
    accepting("lease_lost", ["reportAttempt"])
)


@fault("expired", "the epoch did not rise", slow=True, name="claims at the same epoch")
class ClaimsAtTheSameEpoch:
    def __init__(self) -> None:
        self.epochs: dict[str, int] = {}

    def __call__(self, request: httpx.Request, send: Send) -> httpx.Response:
        response = send(request)
        if operation(request) != "claimRuns" or response.status_code != 200:
            return response
        answer = response.json()
        for run in answer["runs"]:
            run["epoch"] = self.epochs.setdefault(run["run_id"], run["epoch"])
        return httpx.Response(200, json=answer)


def never_repeated(request: httpx.Request, answer: Json) -> Json:
    if operation(request) == "reportAttempt":
        return answer | {"repeated": False}
    reports = [r | {"answer": r["answer"] and r["answer"] | {"repeated": False}} for r in answer["reports"]]
    return answer | {"reports": reports}


forgets_repeated = answering(["reportAttempt", "exchange"], never_repeated)
fault("report-repeat", "answered with repeated: false", name="forgets what was reported")(forgets_repeated)
fault("report-conflict", "409 already_reported was due", slow=True, name="lets the last report stand")(
    accepting("already_reported", ["reportAttempt"])
)
fault("report-key", "409 idempotency_conflict was due", slow=True, name="leaves idempotency keys unread")(
    asking(["reportAttempt"], lambda body: body | {"idempotency_key": str(uuid4())})
)
fault("outcomes", "may be retried was routed to", slow=True, name="retries nothing")(
    asking(["operator"], lambda body: body | ({"retry": {"max_attempts": 1}} if "retry" in body else {}))
)
fault("already-terminal", "the directive is superseded", slow=True, name="kills what is done")(
    directive("already_terminal", "superseded")
)
fault("already-terminal", "409 lease_lost was due", slow=True, name="accepts logs after the report")(
    accepting("lease_lost", ["appendLogs"])
)

# Exchange -------------------------------------------------------------------------------------------------------------


def accept_members(request: httpx.Request, answer: Json) -> Json:
    sent = body_of(request)["reports"]
    for asked, told in zip(sent, answer["reports"], strict=True):
        if told["problem"]:
            told |= {"problem": None, "answer": report_answer(asked["run_id"], asked["report"])}
    return answer


accepts_a_stale_member = answering(["exchange"], accept_members)
fault("stale-epoch", "a stale member of an exchange was answered", name="accepts a stale member of an exchange")(
    accepts_a_stale_member
)
fault("exchange-stale", "the problems are [None, None, None]", name="accepts a stale member of an exchange")(
    accepts_a_stale_member
)
fault("exchange-stale", "the answers are about", slow=True, name="answers in another order")(
    answering(["exchange"], lambda _, answer: answer | {"reports": answer["reports"][::-1]})
)
fault("exchange-stale", "repeated is [False, False] in the second", slow=True, name="forgets what was reported")(
    forgets_repeated
)
fault("exchange-claims", "0 runs came", slow=True, name="claims nothing in an exchange")(
    asking(["exchange"], lambda body: body | {"max_runs": 0})
)
fault("exchange-claims", "the repeated exchange was answered with []", name="forgets exchanges")(
    asking(["exchange"], lambda body: body | {"request_id": str(uuid4())})
)


@fault("exchange-stale", "exchange answered 409", slow=True)
def fails_an_exchange_for_one_member(request: httpx.Request, send: Send) -> httpx.Response:
    response = send(request)
    if operation(request) != "exchange" or response.status_code != 200:
        return response
    found = [told["problem"] for told in response.json()["reports"] if told["problem"]]
    return problem_of(found[0]) if found else response


# Logs, artifacts ------------------------------------------------------------------------------------------------------

fault("logs", "409 log_conflict was due", slow=True, name="takes other text at the same place")(
    accepting("log_conflict", ["appendLogs"])
)
fault("logs", "in one chunk, next is", slow=True, name="counts characters")(
    answering(["appendLogs"], lambda _, told: told | {"next": {"stdout": {"seq": 1, "offset": 6}}})
)
fault("artifact-repeat", "409 artifact_conflict was due", slow=True, name="takes other bytes under a name")(
    asking(["beginArtifact"], lambda body: body | {"name": f"{body['name']}-{body['sha256'][:8]}"})
)
fault("artifact-repeat", "got ids", slow=True, name="knows no artifact again")(
    asking(["beginArtifact"], lambda body: body | {"name": body["name"].replace("second", uuid4().hex)})
)
fault("artifact-names", "422 artifact_name_invalid was due", slow=True, name="repairs names")(
    asking(["beginArtifact"], lambda body: body | {"name": "repaired"})
)
fault("artifact-checksum", "409 upload_missing was due", slow=True, name="records what was never put")(
    accepting("upload_missing", ["recordArtifact"])
)


fault("artifact-parts", "answered 200", slow=True, name="records parts that it has not read")(
    accepting("digest_mismatch", ["recordArtifact"])
)
fault("artifact-parts", "409 digest_mismatch was due", slow=True, name="takes a part for another")(
    accepting("digest_mismatch", ["signParts"])
)


@fault("logs", "log_bytes says", slow=True)
def stores_a_part_of_what_it_refuses(request: httpx.Request, send: Send) -> httpx.Response:
    response = send(request)
    if operation(request) == "appendLogs" and refuses(response, "log_conflict"):
        body = body_of(request)
        more = body["chunks"][0] | {"stream": "stderr", "seq": 0, "offset": 0}
        send(resent(request, body | {"chunks": [more]}))
    return response


@fault("artifact-checksum", "the store answered 200 to other bytes", slow=True)
def stores_any_bytes(request: httpx.Request, send: Send) -> httpx.Response:
    response = send(request)
    return httpx.Response(200) if operation(request) == "store" and response.status_code == 400 else response


@fault("artifact-write-once", "the second PUT was answered 200", slow=True)
def overwrites(request: httpx.Request, send: Send) -> httpx.Response:
    response = send(request)
    return httpx.Response(200) if operation(request) == "store" and response.status_code == 412 else response


@fault("artifact-write-once", "a PUT without If-None-Match was answered 200", slow=True)
def signs_no_condition(request: httpx.Request, send: Send) -> httpx.Response:
    response = send(request)
    bare = request.method == "PUT" and operation(request) == "store" and "if-none-match" not in request.headers
    return httpx.Response(200) if bare else response


@fault("artifact-visible", "with other bytes than were put", slow=True)
def gives_other_bytes(request: httpx.Request, send: Send) -> httpx.Response:
    response = send(request)
    mine = request.method == "GET" and operation(request) == "store"
    return httpx.Response(200, content=response.content[::-1]) if mine else response


@fault("artifact-visible", "the artifact is recorded", slow=True)
def shows_nothing_after_the_report(request: httpx.Request, send: Send) -> httpx.Response:
    return answering(["getArtifact"], lambda _, found: found | {"state": "recorded"})(request, send)
