"""Executors that the kit judges in tests: ours, the sample, and the sample with one thing broken."""

from __future__ import annotations

import sys
from pathlib import Path

from contract.conformance import executor_kit
from contract.conformance.trial import Options
from contract.conformance.verdict import Result

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "contract" / "conformance" / "sample" / "executor.mjs"
OURS = (sys.executable, "-m", "executors.runtime.main", "python")

# What is broken -> (the case that must catch it, [(text of the sample, what stands there instead)]).
Edits = list[tuple[str, str]]
NAMED: dict[str, tuple[str, Edits]] = {
    "no renewals": ("renewal", [("if (seconds() - last >= due)", "if (false)")]),
    "reports twice": ("run", [('await this.send("/report"', 'for (const _ of "12") await this.send("/report"')]),
    "ignores cancel": ("cancel", [('told.directive === "cancel"', 'told.directive === "never"')]),
    "wrong checksum": ("artifact", [(".update(bytes)", ".update(bytes.slice(1))")]),
    "log gaps": ("logs", [("seq: this.seq++", "seq: (this.seq += 2)")]),
    "new request_id after a lost answer": (
        "claim-lost",
        [
            (
                "await post(`/executors/${registration.executor_id}/claims`, wish).catch(async (error) => {",
                "await once(`${base}/executors/${registration.executor_id}/claims`, "
                '{ method: "POST", headers: api, body: JSON.stringify(wish) }).catch(async (error) => {\n'
                "    if (!error.refused) return sleep(200).then(() => ({ runs: [] }));",
            )
        ],
    ),
    "reports after superseded": ("superseded", [("[this.gone, this.stop].forEach", "[this.stop].forEach")]),
}
RETRY = '{ method: "POST", headers: api, body: JSON.stringify({ ...me, instance_id: randomUUID(), contract }) }'
MORE: dict[str, tuple[str, Edits]] = {
    "works on after superseded": ("superseded", [("[this.gone, this.stop].forEach", "[this.gone].forEach")]),
    "offsets in characters": ("logs", [("this.offset += Buffer.byteLength(text)", "this.offset += text.length")]),
    "ignores Retry-After at claims": ("claim-unavailable", [("(error.pause ?? ", "(")]),
    "ignores Retry-After at reports": ("report-unavailable", [("(error.pause ?? ", "(")]),
    "a new report at each try": (
        "report-lost",
        [
            (
                "return await once(url, init);",
                "return await once(url, { ...init, body: typeof init.body === 'string' ? init.body.replace("
                '/"finished_at":"[^"]*"/, `"finished_at":"${new Date().toISOString()}"`) : init.body });',
            )
        ],
    ),
    "does a duplicate again": ("claimed-twice", [("if (begun.has(key)) continue;", "")]),
    "a new instance_id at each try": (
        "register-lost",
        [
            (
                "let registration = await register();",
                "let registration = null;\nwhile (!registration)\n"
                f"  registration = await once(`${{base}}/executors`, {RETRY}).catch(() => null);",
            )
        ],
    ),
    "the instance_id of the process before": (
        "killed",
        [("instance_id: randomUUID()", 'instance_id: "0197a3c4-5b6d-7e8f-9a0b-1c2d3e4f5a6b"')],
    ),
    "ignores the directive to drain": ("drain", [('draining ||= answer.directive === "drain";', "")]),
    "dies of SIGTERM": ("sigterm", [('process.on("SIGTERM"', 'process.on("SIGHUP"')]),
    "sends a refused report for ever": ("report-refused", [("if (error.refused || ", "if (")]),
    "ends when a report is refused": (
        "report-refused",
        [(".catch((error) => console.error", ".then(null) && ((error) => console.error")],
    ),
    "gives an upload up at once": ("upload-lost", [("await send(begun.upload.url", "await once(begun.upload.url")]),
    "works on without a lease it needs": ("lapse-stop", [('job.run.on_lapse === "stop" && ', "false && ")]),
    "stops without a lease it does not need": ("lapse-continue", [('job.run.on_lapse === "stop" && ', "")]),
    "takes a word it does not know for the end": (
        "newer-server",
        [('told.directive === "superseded"', '!["continue", "cancel"].includes(told.directive)')],
    ),
    "insists on the newest version": (
        "older-server",
        [
            (
                "let registration = await register();",
                'let registration = await register();\nif (registration.contract_version !== "1.1") process.exit(1);',
            )
        ],
    ),
    "hammers a server that shares no version": (
        "no-common-version",
        [
            (
                "let registration = await register();",
                "let registration = null;\nwhile (!registration) registration = await register().catch(() => null);",
            )
        ],
    ),
    "drops chunks without an answer": (
        "logs-lost",
        [
            (
                'await this.send("/logs", { chunks: [chunk] })',
                "await once(`${base}/runs/${this.run.run_id}/logs`, { method: 'POST', headers: api, body: "
                "JSON.stringify({ epoch: this.run.epoch, chunks: [{ ...chunk, seq: this.seq++ }] }) })",
            )
        ],
    ),
}
FAULTS = NAMED | MORE


def node(script: Path) -> tuple[str, ...]:
    """How to start a script with Node, the machine's or PyPI's."""
    return (str(ROOT / "infra" / "dev" / "with-node"), "node", str(script))


def broken(fault: str, folder: Path) -> tuple[str, ...]:
    """The sample with this fault."""
    text = SAMPLE.read_text("utf-8")
    for old, new in FAULTS[fault][1]:
        assert text.count(old) == 1, f"the sample no longer holds {old!r} once"
        text = text.replace(old, new)
    script = folder / "broken.mjs"
    script.write_text(text, "utf-8")
    return node(script)


def judge(command: tuple[str, ...], *ids: str) -> dict[str, Result]:
    """What the kit says, by case."""
    return {result.id: result for result in executor_kit.run(Options(command), ids)}


def failures(results: dict[str, Result]) -> dict[str, str]:
    return {id_: result.detail for id_, result in results.items() if result.verdict != "pass"}
