"""Cases of the executor kit: servers that are older or newer than the executor."""

from contract.conformance.editions import FOREIGN, NEWER, OLDER
from contract.conformance.trial import Trial
from contract.conformance.verdict import Broken, Register, Skipped, require
from contract.versions import OLDEST, order

CASES: Register[Trial] = Register()
QUIET_SECONDS = 4.0
MOST_TRIES = 20


@CASES.case(
    "older-server",
    "works with a server of the oldest version it asks for",
    f"A server that speaks {OLDEST} alone, and lacks what came later, answers {OLDEST}; runs are done all the same.",
)
def older_server(trial: Trial) -> str:
    trial.room.edition = OLDER
    first = trial.room.submit(lines=3, artifact_bytes=1000)
    try:
        call = trial.start()
    except Broken as broken:
        raise _skipped(trial) or broken from broken
    trial.reports(first)
    trial.does(lines=1)
    refused = [each for each in trial.room.calls if each.status == 404]
    require(not refused, f"it asked for what {OLDEST} does not have: {', '.join(each.path for each in refused)}")
    return f"answered {call.answer['contract_version']}"


def _skipped(trial: Trial) -> Skipped | None:
    """An executor may leave an old version behind, if it says so when it registers."""
    asked = next((call.body["contract"] for call in trial.room.of("registerExecutor") if call.status == 409), None)
    behind = asked is not None and order(asked["min"]) > order(OLDEST)
    return Skipped(f"it speaks {asked['min']} and newer") if asked and behind else None


@CASES.case(
    "newer-server",
    "takes no offence at what a newer server adds",
    "Unknown members anywhere in answers, unknown directives of heartbeats (they mean continue), an unknown routing "
    "decision, Deprecation and Sunset on every answer: leases count as renewed, runs are done, and the executor goes "
    "on claiming.",
)
def newer_server(trial: Trial) -> str:
    trial.room.edition = NEWER
    trial.room.heartbeat_seconds = 1.0
    # An executor that takes the answers for failures ends this run: its lease would be over.
    first = trial.room.submit(lease_seconds=3.0, on_lapse="stop", lines=3, artifact_bytes=1000, sleep_seconds=5.0)
    call = trial.start()
    trial.reports(first, seconds=30.0)
    beats = len(trial.room.beats(first))
    require(beats > 1, f"a run of 5 s under a lease of 3 s was renewed {beats} times")
    trial.does(lines=1)
    return f"answered {call.answer['contract_version']}, {beats} renewals"


@CASES.case(
    "no-common-version",
    "says why when it shares no version with the server",
    "409 `contract_version_unsupported`: it claims nothing, does not hammer, and writes the code or the detail.",
)
def no_common_version(trial: Trial) -> str:
    trial.room.edition = FOREIGN
    trial.subject.start()
    refused = trial.room.wait("a registerExecutor", lambda: _refusal(trial), trial.options.startup_seconds)
    trial.subject.exit_code(QUIET_SECONDS)
    tries = len(trial.room.of("registerExecutor"))
    require(tries <= MOST_TRIES, f"it asked {tries} times within {QUIET_SECONDS:g} s")
    require(not trial.room.of("claim"), "it claimed without a registration")
    said = trial.subject.said()
    require("contract_version_unsupported" in said or refused in said, f"it did not say why; the answer was: {refused}")
    return "it ended" if not trial.subject.running else f"it goes on asking, {tries} times so far"


def _refusal(trial: Trial) -> str | None:
    """The detail of the first refusal."""
    found = (call.answer for call in trial.room.of("registerExecutor") if call.status == 409)
    return next((str(answer["detail"]) for answer in found), None)
