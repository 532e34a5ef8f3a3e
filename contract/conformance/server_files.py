"""Cases of the server kit: logs, artifacts and the object store behind them."""

import hashlib
import time
from uuid import uuid4

import httpx

from contract.conformance.desk import Desk, Json, chunk, file_body
from contract.conformance.verdict import Register, require

CASES: Register[Desk] = Register()
READING_SECONDS = 60.0


@CASES.case(
    "logs",
    "keeps chunks once, and shows gaps",
    "A chunk sent twice is accepted; other text or another offset at its place is 409 `log_conflict` that names stream "
    "and seq, and stores nothing of the request; `next` says where the stream goes on, in bytes of UTF-8.",
)
def logs(desk: Desk) -> None:
    _, (run,) = desk.working()
    path, epoch = f"/runs/{run['run_id']}/logs", run["epoch"]
    first = chunk("grüße\n")
    for _ in range(2):
        answer = desk.ok("POST", path, {"epoch": epoch, "chunks": [first]})
        place = answer["next"].get("stdout")
        require(place == {"seq": 1, "offset": 8}, f"after 8 bytes of UTF-8 in one chunk, next is {place}")
    for wrong in (first | {"text": "other\n"}, first | {"offset": 3}):
        body = {"epoch": epoch, "chunks": [chunk("next\n", 1, 8), wrong]}
        problem = desk.refused(409, "log_conflict", "POST", path, body)
        found = (problem.get("stream"), problem.get("seq"))
        require(found == ("stdout", 0), f"the conflict names {found}")
    answer = desk.ok("POST", path, {"epoch": epoch, "chunks": [chunk("next\n", 1, 8)]})
    require(answer["log_bytes"] == 13, f"13 bytes are stored; log_bytes says {answer['log_bytes']}")


def begun(desk: Desk, data: bytes) -> tuple[Json, Json, str]:
    """A held run, beginArtifact's answer for these bytes, the path of the run."""
    _, (run,) = desk.working()
    path = f"/runs/{run['run_id']}"
    answer = desk.ok("POST", f"{path}/artifacts", file_body(run, data))
    require(answer["upload"] is not None, "no place to PUT new bytes was answered")
    return run, answer, path


@CASES.case(
    "artifact-checksum",
    "takes only the bytes announced",
    "The object store refuses a PUT of other bytes or of another length, recordArtifact says `upload_missing` until "
    "the right ones are there, and then records them.",
)
def artifact_checksum(desk: Desk) -> None:
    data = uuid4().bytes * 8
    run, answer, path = begun(desk, data)
    record = f"{path}/artifacts/{answer['artifact_id']}/record"
    other = bytes(len(data))
    refused = desk.put(answer["upload"], other)
    require(400 <= refused.status_code < 500, f"the store answered {refused.status_code} to other bytes")
    desk.refused(409, "upload_missing", "POST", record, {"epoch": run["epoch"]})
    headers = {**answer["upload"]["headers"], "content-length": str(len(data) + 1)}
    longer = desk.put({**answer["upload"], "headers": headers}, data + b"!")
    require(400 <= longer.status_code < 500, f"the store answered {longer.status_code} to one byte more")
    stored = desk.put(answer["upload"], data)
    require(stored.status_code < 300, f"the store answered {stored.status_code} to the right bytes")
    for _ in range(2):
        found = desk.ok("POST", record, {"epoch": run["epoch"]})
        wanted = (len(data), hashlib.sha256(data).hexdigest(), "recorded")
        require((found["size"], found["sha256"], found["state"]) == wanted, f"it was recorded as {found}")


@CASES.case(
    "artifact-parts",
    "records what came in parts only when the whole is what was announced",
    "With `resume` the answer has `multipart`, or `upload` where the server wants one PUT. Each part is signed for its "
    "bytes alone; a missing part is `upload_missing`; parts that do not make the whole are `digest_mismatch`, after "
    "which the right ones can come.",
)
def artifact_parts(desk: Desk) -> None:
    _, (run,) = desk.working()
    data = uuid4().bytes * 8
    answer = desk.ok("POST", f"/runs/{run['run_id']}/artifacts", {**file_body(run, data), "resume": True})
    if answer["upload"] is not None:
        return
    place = f"/runs/{run['run_id']}/artifacts/{answer['artifact_id']}"
    require(answer["multipart"]["parts"] == 1, f"{len(data)} bytes are to come in {answer['multipart']['parts']} parts")
    desk.refused(409, "upload_missing", "POST", f"{place}/record", {"epoch": run["epoch"]})
    other = bytes(len(data))
    refused = desk.put(_part(desk, place, run, data), other)
    require(400 <= refused.status_code < 500, f"the store answered {refused.status_code} to a part of other bytes")
    desk.refused(409, "digest_mismatch", "POST", f"{place}/parts", _named(run, other))
    desk.ok("POST", f"/runs/{run['run_id']}/artifacts", {**file_body(run, data), "resume": True})
    stored = desk.put(_part(desk, place, run, other), other)
    require(stored.status_code < 300, f"the store answered {stored.status_code} to a part as it was named")
    _refused_whole(desk, place, run)
    desk.ok("POST", f"/runs/{run['run_id']}/artifacts", {**file_body(run, data), "resume": True})
    require(desk.put(_part(desk, place, run, data), data).status_code < 300, "the store refused the right part")
    held = desk.ok("POST", f"{place}/parts", {"epoch": run["epoch"], "parts": []})["held"]
    require(held == [1], f"of one part that was put, {held} are held")
    found = _recorded(desk, place, run)
    require(found["sha256"] == hashlib.sha256(data).hexdigest(), f"it was recorded as {found}")


def _named(run: Json, data: bytes) -> Json:
    return {"epoch": run["epoch"], "parts": [{"number": 1, "sha256": hashlib.sha256(data).hexdigest()}]}


def _part(desk: Desk, place: str, run: Json, data: bytes) -> Json:
    """Where the one part goes."""
    uploads = desk.ok("POST", f"{place}/parts", _named(run, data))["uploads"]
    require(len(uploads) == 1, f"for one part that is not held, {len(uploads)} places were answered")
    upload: Json = uploads[0]["upload"]
    return upload


def _asked_until_read(desk: Desk, place: str, run: Json) -> httpx.Response:
    """recordArtifact, again while the server reads the bytes."""
    end = time.monotonic() + READING_SECONDS
    while True:
        response = desk.call("POST", f"{place}/record", {"epoch": run["epoch"]})
        if response.status_code != 503 or time.monotonic() > end:
            return response
        time.sleep(float(response.headers.get("retry-after", 1)))


def _refused_whole(desk: Desk, place: str, run: Json) -> None:
    response = _asked_until_read(desk, place, run)
    found = f"{response.status_code} {response.text[:300]}"
    require("digest_mismatch" in response.text, f"parts that are not the whole announced were answered {found}")


def _recorded(desk: Desk, place: str, run: Json) -> Json:
    response = _asked_until_read(desk, place, run)
    found = f"{response.status_code} {response.text[:300]}"
    require(response.status_code == 200, f"the right parts were answered {found}")
    recorded: Json = response.json()
    return recorded


@CASES.case(
    "artifact-write-once",
    "never overwrites an object",
    "A second PUT to the same place is 412: the signature holds If-None-Match: *; without it it is refused too.",
)
def artifact_write_once(desk: Desk) -> None:
    data = uuid4().bytes * 8
    _, answer, _ = begun(desk, data)
    upload = answer["upload"]
    require(upload["headers"].get("if-none-match") == "*", f"the signed headers are {sorted(upload['headers'])}")
    require(desk.put(upload, data).status_code < 300, "the store refused the right bytes")
    again = desk.put(upload, data)
    require(again.status_code == 412, f"the second PUT was answered {again.status_code}")
    bare = {name: value for name, value in upload["headers"].items() if name != "if-none-match"}
    without = desk.put({**upload, "headers": bare}, data)
    require(400 <= without.status_code < 500, f"a PUT without If-None-Match was answered {without.status_code}")


@CASES.case(
    "artifact-repeat",
    "knows an artifact again",
    "The same name and body in one attempt is one artifact; other bytes under the name are 409 `artifact_conflict`.",
)
def artifact_repeat(desk: Desk) -> None:
    run, answer, path = begun(desk, uuid4().bytes)
    other = file_body(run, uuid4().bytes)
    desk.refused(409, "artifact_conflict", "POST", f"{path}/artifacts", other)
    body = file_body(run, data := uuid4().bytes, "second.bin")
    ids = {desk.ok("POST", f"{path}/artifacts", body)["artifact_id"] for _ in range(2)}
    require(
        len(ids) == 1 and answer["artifact_id"] not in ids, f"the same announcement of {len(data)} bytes got ids {ids}"
    )


@CASES.case(
    "artifact-names",
    "refuses names that lead elsewhere",
    "422 `artifact_name_invalid` for absolute names, empty, `.` or `..` parts, backslashes, control characters.",
)
def artifact_names(desk: Desk) -> None:
    _, (run,) = desk.working()
    for name in ("../etc/passwd", "/etc/passwd", "a//b", "a/./b", "a\\b", "a\u0007b", " a", "a."):
        body = file_body(run, b"x", name)
        desk.refused(422, "artifact_name_invalid", "POST", f"/runs/{run['run_id']}/artifacts", body)


@CASES.case(
    "artifact-visible",
    "shows artifacts with the accepted report",
    "After the report another executor can read the artifact, and gets the bytes announced; an artifact of a failed "
    "upload is not there.",
)
def artifact_visible(desk: Desk) -> None:
    data = uuid4().bytes * 8
    run, answer, path = begun(desk, data)
    require(desk.put(answer["upload"], data).status_code < 300, "the store refused the right bytes")
    desk.ok("POST", f"{path}/artifacts/{answer['artifact_id']}/record", {"epoch": run["epoch"]})
    missing = desk.ok("POST", f"{path}/artifacts", file_body(run, uuid4().bytes, "missing.bin"))
    desk.report(run)
    found = desk.ok("GET", f"/artifacts/{answer['artifact_id']}")
    require(found["state"] == "visible", f"the artifact is {found['state']}")
    got = desk.http.get(found["url"], headers={"accept-encoding": "identity"})
    require(got.content == data, f"the download was answered {got.status_code} with other bytes than were put")
    desk.refused(404, "artifact_not_found", "GET", f"/artifacts/{missing['artifact_id']}")
