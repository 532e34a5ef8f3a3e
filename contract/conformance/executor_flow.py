"""Cases of the executor kit: an executor's day when nothing goes wrong."""

from functools import partial
from itertools import pairwise

from contract.conformance import workload
from contract.conformance.room import Json, Run
from contract.conformance.trial import Trial
from contract.conformance.verdict import Register, require

CASES: Register[Trial] = Register()
SLACK_SECONDS = 1.0


@CASES.case(
    "register",
    "registers before anything else",
    "registerExecutor comes first, fits the document, and asks for a range of contract versions in which the server "
    "speaks one; a claim and a heartbeat follow, also without work; every request carries the token.",
)
def register(trial: Trial) -> str:
    trial.room.heartbeat_seconds = 1.0
    call = trial.start()
    first = trial.room.calls[0]
    require(first.operation in ("registerExecutor", "getContract"), f"the first request was {first.operation}")
    for verb in ("claim", "heartbeat"):
        trial.wait(f"a {verb}", partial(trial.room.of, verb), trial.options.patience_seconds)
    return f"kind {call.body['kind']}, {call.body['slots']} slot(s), version {call.body['version']}"


@CASES.case(
    "run",
    "claims a run, does it, reports it once",
    "Each claim has a request_id of its own; the report carries its epoch, an idempotency_key and the result.",
)
def run(trial: Trial) -> str:
    first = trial.room.submit(lines=3)
    trial.start()
    body = trial.reports(first)
    second = trial.does(lines=1)
    keys = {body["idempotency_key"], trial.reports(second)["idempotency_key"]}
    require(len(keys) == 2, f"two attempts were reported with the same idempotency_key {keys}")
    ids = [call.body["request_id"] for call in trial.room.of("claim") if call.status == 200]
    require(len(set(ids)) == len(ids), "a request_id was used for more than one answered claim")
    for each in (first, second):
        sent = len(trial.room.report_bodies(each))
        require(sent == 1, f"run {each.number} was reported {sent} times, though the first was answered")
    return f"{len(ids)} claims"


@CASES.case(
    "failure",
    "reports a failure with its class and code",
    "Work that fails is reported as failed, with error.class and error.code as the work gave them.",
)
def failure(trial: Trial) -> None:
    trial.start()
    for failure_class in ("user", "external"):
        body = trial.reports(asked := trial.room.submit(lines=1, fail=failure_class), "failed")
        found = (body["error"]["class"], body["error"]["code"])
        require(found == (failure_class, workload.FAIL_CODE), f"run {asked.number} failed with {found}")
    trial.does(lines=1)


@CASES.case(
    "logs",
    "ships logs without gaps before it reports",
    "Chunks of a stream count seq from 0 by 1; offset is the number of UTF-8 bytes before; all of it arrives before "
    "the report, in order.",
)
def logs(trial: Trial) -> str:
    trial.start()
    done = trial.does(lines=400)
    chunks = gapless(done)
    text = "".join(chunk["text"] for chunk in chunks)
    wanted = workload.expected_lines(400)
    require(text == wanted, f"stream stdout has {len(text)} characters, other ones than the {len(wanted)} written")
    late = [call for call in trial.room.of("appendLogs", done) if call.at > trial.room.report_bodies(done)[0][0]]
    require(not late, "logs were sent after the report; they are refused then")
    return f"{len(chunks)} chunks"


def gapless(run: Run, epoch: int = 1) -> list[Json]:
    """The chunks of stdout in order; Broken when one is missing or does not begin where the one before ended."""
    chunks = sorted((c for (e, s, _), c in run.chunks.items() if (e, s) == (epoch, workload.STREAM)), key=_seq)
    offset = 0
    for index, chunk in enumerate(chunks):
        require(chunk["seq"] == index, f"stream stdout: seq {chunk['seq']} came where {index} was due: a gap")
        place = f"stream stdout, seq {index}"
        require(
            chunk["offset"] == offset, f"{place}: offset {chunk['offset']}, but {offset} bytes of UTF-8 came before"
        )
        offset += len(chunk["text"].encode())
    return chunks


def _seq(chunk: Json) -> int:
    seq: int = chunk["seq"]
    return seq


@CASES.case(
    "artifact",
    "uploads an artifact with its checksum",
    "beginArtifact announces the size and sha256 of the very bytes that are PUT, with all headers of `upload` as they "
    "are; recordArtifact follows, and then the report.",
)
def artifact(trial: Trial) -> str:
    trial.start()
    done = trial.does(artifact_bytes=100_000)
    begun = [each for each in trial.room.artifacts.values() if each.run_id == done.run_id]
    # An executor may keep files of its own beside it: logs, a page.
    found = [each for each in begun if each.body["name"] == workload.ARTIFACT]
    names = ", ".join(sorted(each.body["name"] for each in begun)) or "none"
    require(len(found) == 1, f"the workload makes one artifact {workload.ARTIFACT}; begun were: {names}")
    require(found[0].data == workload.expected_bytes(100_000), "the store does not hold the bytes that the work made")
    require(all(each.recorded for each in begun), "the artifact was never recorded")
    reported = trial.room.report_bodies(done)[0][0]
    recorded = trial.room.of("recordArtifact", done)
    require(not recorded or recorded[0].at < reported, "the artifact was recorded after the report")
    return f"sha256 {found[0].body['sha256'][:12]}…"


@CASES.case(
    "renewal",
    "renews its lease at a third",
    "While a run is at work a heartbeat names it at least every third of lease_seconds, even when heartbeat_seconds of "
    "the registration is longer (judged: no pause longer than half of the lease).",
)
def renewal(trial: Trial) -> str:
    lease = 6.0
    trial.room.heartbeat_seconds = 60.0
    trial.start()
    done = trial.room.submit(lease_seconds=lease, sleep_seconds=lease * 1.25)
    trial.reports(done)
    ended = trial.room.report_bodies(done)[0][0]
    text = renewed(trial, done, ended)
    epochs = {member["epoch"] for call in trial.room.beats(done) for member in call.body["runs"]}
    require(epochs == {done.epoch}, f"heartbeats named epochs {epochs}")
    return text


def renewed(trial: Trial, run: Run, until: float) -> str:
    """The run's lease was renewed in time from its claim until then; how, in words."""
    moments = [run.claimed_at, *(call.at for call in trial.room.beats(run) if call.at < until), until]
    longest = max(later - earlier for earlier, later in pairwise(moments))
    text = f"the longest pause between renewals was {longest:.1f} s of a lease of {run.lease_seconds:g} s"
    require(longest <= run.lease_seconds / 2 + SLACK_SECONDS / 4, f"{text}; a third is due, half is the limit")
    return text
