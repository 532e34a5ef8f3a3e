"""The sample executor with one thing broken, in each way that a case of the executor kit stands against."""

from __future__ import annotations

from dataclasses import dataclass

Edits = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Fault:
    """case: that must catch it; says: a part of what the case then says; edits: (text of the sample, what stands there
    instead)."""

    case: str
    says: str
    edits: Edits


def fault(case: str, says: str, *edits: tuple[str, str]) -> Fault:
    return Fault(case, says, edits)


BEAT = (
    "await once(`${base}/executors/${randomUUID()}/heartbeat`, { method: 'POST', headers: api, body: "
    "JSON.stringify({ state: 'active', runs: [] }) })"
)
REGISTER = "let registration = await register();"
RETRY = '{ method: "POST", headers: api, body: JSON.stringify({ ...me, instance_id: randomUUID(), contract }) }'
LOGS = (
    "await once(`${base}/runs/${this.run.run_id}/logs`, { method: 'POST', headers: api, body: "
    "JSON.stringify({ epoch: this.run.epoch, chunks: [%s] }) })"
)
SEND_LOGS = 'await this.send("/logs", { chunks: [chunk] })'
REPORT = 'await this.send("/report", { usage: { wall_seconds: seconds() - begun }, ...told });'
SUPERSEDED = 'if (told.directive === "superseded") return this.abandon();'
TERMINAL = 'if (told.directive === "already_terminal") '
OBEY = "active.get(`${told.run_id}/${told.epoch}`)?.obey(told, sent);"
NAMED: dict[str, Fault] = {
    "beats before it registers": fault(
        "register", "the first request was heartbeat", (REGISTER, f"{BEAT}.catch(() => null);\n{REGISTER}")
    ),
    "takes a failure for a success": fault(
        "failure", "was reported as succeeded", ("if (fail) throw", "if (false) throw")
    ),
    "no renewals": fault(
        "renewal", "the longest pause between renewals", ("if (seconds() - last >= due)", "if (false)")
    ),
    "reports twice": fault(
        "run",
        "was reported 2 times, though the first was answered",
        (REPORT, f"const both = {{ usage: {{}}, ...told }};\n{'await this.send(`/report`, both);' * 2}"),
    ),
    "ignores cancel": fault(
        "cancel", "s for the report of run 1", ('told.directive === "cancel"', 'told.directive === "never"')
    ),
    "wrong checksum": fault("artifact", "came, announced were", (".update(bytes)", ".update(bytes.slice(1))")),
    "log gaps": fault("logs", "a gap", ("seq: this.seq++", "seq: (this.seq += 2)")),
    "new request_id after a lost answer": fault(
        "claim-lost",
        "with a new request_id",
        (
            "await post(`/executors/${registration.executor_id}/claims`, wish).catch(async (error) => {",
            "await once(`${base}/executors/${registration.executor_id}/claims`, "
            '{ method: "POST", headers: api, body: JSON.stringify(wish) }).catch(async (error) => {\n'
            "    if (!error.refused) return sleep(200).then(() => ({ runs: [] }));",
        ),
    ),
    "reports after superseded": fault(
        "superseded", "was reported, though", ("[this.gone, this.stop].forEach", "[this.stop].forEach")
    ),
    "ends when told already_terminal": fault(
        "already-terminal", "ended by itself", (SUPERSEDED, f"{TERMINAL}process.exit(3);\n    {SUPERSEDED}")
    ),
}
MORE: dict[str, Fault] = {
    "stops what is at work when told already_terminal": fault(
        "already-terminal",
        "run 4 was reported as failed",
        (OBEY, f"{{ {TERMINAL}active.forEach((job) => job.stop.abort()); {OBEY} }}"),
    ),
    "renews nothing that it reports": fault(
        "already-terminal",
        "to be told already_terminal",
        (REPORT, f"active.delete(`${{this.run.run_id}}/${{this.run.epoch}}`);\n    {REPORT}"),
    ),
    "asks for versions that are not there": fault(
        "register", "before it registered", ('{ min: "1.0", max: "1.1" }', '{ min: "97.0", max: "97.1" }')
    ),
    "leaves the token out of heartbeats": fault(
        "register",
        "the token of OPS_TOKEN_FILE did not come",
        ("headers: api, body }, 5)", '"headers": { "content-type": "application/json" }, body }, 5)'),
    ),
    "never beats without work": fault(
        "register", "for a heartbeat", ("if (seconds() - last >= due)", "if (active.size && seconds() - last >= due)")
    ),
    "reports every failure as internal": fault(
        "failure", "failed with ('internal'", ("=> ({ class: class_, code", '=> ({ class: "internal", code')
    ),
    "reports every failure by one code": fault("failure", "'oops')", ("code: `${code}`", 'code: "oops"')),
    "ends after a failure": fault(
        "failure",
        "ended by itself",
        ("if (fail) throw", "if (fail) setTimeout(() => process.exit(3), 300);\n  if (fail) throw"),
    ),
    "reports a cancellation when told already_terminal": fault(
        "already-terminal",
        "bodies that differ",
        (
            SUPERSEDED,
            f"{TERMINAL}void this.send('/report', {{ outcome: 'cancelled', reason: 'terminal', usage: {{}}, "
            "idempotency_key: `${this.run.run_id}/${this.run.epoch}`, finished_at: new Date().toISOString() })"
            f".catch(() => null);\n    {SUPERSEDED}",
        ),
    ),
    "claims nothing more when told already_terminal": fault(
        "already-terminal", "with exit code 0", (SUPERSEDED, f"{TERMINAL}draining = true;\n    {SUPERSEDED}")
    ),
    "gives up what finds no server": fault(
        "outage",
        "ended by itself",
        ("if (error.refused || init", "if (error.refused || error instanceof TypeError || init"),
    ),
    "leaves log chunks out that find no server": fault(
        "outage",
        "lines are missing",
        (SEND_LOGS, LOGS % "chunk"),
        (
            '(error) => error.code === "lease_lost" && this.abandon()',
            '(error) => error.code === "lease_lost" ? this.abandon() : '
            "(this.seq--, (this.offset -= Buffer.byteLength(text)))",
        ),
    ),
    "ends its work when a heartbeat finds no server": fault(
        "outage",
        "s for the report of run 1",
        (
            'if (job.run.on_lapse === "stop" && seconds() - job.renewed >= job.run.lease_seconds) job.abandon()',
            "job.abandon()",
        ),
    ),
    "sends again what takes long": fault("stall", "the report was sent 2 times", ("limit = 60", "limit = 3")),
    "renews nothing while an answer is due": fault(
        "stall",
        "the longest pause between renewals",
        ("    post(`/runs/${this", "    ++waiting && post(`/runs/${this"),
        ("this.gone.signal);\n  constructor", "this.gone.signal).finally(() => waiting--);\n  constructor"),
        ("let draining = false;", "let [draining, waiting] = [false, 0];"),
        ("if (seconds() - last >= due)", "if (!waiting && seconds() - last >= due)"),
    ),
    "works on after superseded": fault(
        "superseded", "s for the report of run 2", ("[this.gone, this.stop].forEach", "[this.gone].forEach")
    ),
    "offsets in characters": fault(
        "logs", "bytes of UTF-8 came before", ("this.offset += Buffer.byteLength(text)", "this.offset += text.length")
    ),
    "ignores Retry-After at claims": fault("claim-unavailable", "Retry-After said 3", ("(error.pause ?? ", "(")),
    "ignores Retry-After at reports": fault("report-unavailable", "Retry-After said 3", ("(error.pause ?? ", "(")),
    "a new report at each try": fault(
        "report-lost",
        "bodies that differ: finished_at",
        (
            "return await once(url, init);",
            "return await once(url, { ...init, body: typeof init.body === 'string' ? init.body.replace("
            '/"finished_at":"[^"]*"/, `"finished_at":"${new Date().toISOString()}"`) : init.body });',
        ),
    ),
    "does a duplicate again": fault("claimed-twice", "the work was done again", ("if (begun.has(key)) continue;", "")),
    "a new instance_id at each try": fault(
        "register-lost",
        "with another instance_id",
        (
            REGISTER,
            "let registration = null;\nwhile (!registration)\n"
            f"  registration = await once(`${{base}}/executors`, {RETRY}).catch(() => null);",
        ),
    ),
    "the instance_id of the process before": fault(
        "killed",
        "the instance_id of the dead one",
        ("instance_id: randomUUID()", 'instance_id: "0197a3c4-5b6d-7e8f-9a0b-1c2d3e4f5a6b"'),
    ),
    "ignores the directive to drain": fault(
        "drain", "the executor still runs", ('draining ||= answer.directive === "drain";', "")
    ),
    "dies of SIGTERM": fault("sigterm", "exit code -15", ('process.on("SIGTERM"', 'process.on("SIGHUP"')),
    "sends a refused report for ever": fault(
        "report-refused", "s for the report of run 2", ("if (error.refused || ", "if (")
    ),
    "ends when a report is refused": fault(
        "report-refused",
        "ended by itself",
        (".catch((error) => console.error", ".then(null) && ((error) => console.error"),
    ),
    "gives an upload up at once": fault(
        "upload-lost", "was reported as failed", ("await send(begun.upload.url", "await once(begun.upload.url")
    ),
    "works on without a lease it needs": fault(
        "lapse-stop", "s for the report of run 2", ('job.run.on_lapse === "stop" && ', "false && ")
    ),
    "stops without a lease it does not need": fault(
        "lapse-continue", "s for the report of run 1", ('job.run.on_lapse === "stop" && ', "")
    ),
    "takes a word it does not know for the end": fault(
        "newer-server",
        "s for the report of run 1",
        ('told.directive === "superseded"', '!["continue", "cancel"].includes(told.directive)'),
    ),
    "insists on the newest version": fault(
        "older-server",
        "ended by itself",
        (REGISTER, f'{REGISTER}\nif (registration.contract_version !== "1.1") process.exit(1);'),
    ),
    "hammers a server that shares no version": fault(
        "no-common-version",
        "times within 4 s",
        (
            REGISTER,
            "let registration = null;\nwhile (!registration) registration = await register().catch(() => null);",
        ),
    ),
    "drops chunks without an answer": fault("logs-lost", "a gap", (SEND_LOGS, LOGS % "{ ...chunk, seq: this.seq++ }")),
}
FAULTS = NAMED | MORE
