// @ts-check
// A whole executor of the control room, without dependencies: `OPS_URL=… OPS_TOKEN_FILE=… node executor.mjs` (Node 20 or
// newer). It does the conformance workload; put your own work into `workload`. It enforces no caps and publishes no tables.
import { createHash, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** @typedef {{run_id: string, epoch: number, number: number, params: any, lease_seconds: number, on_lapse: string}} Run */
const base = `${process.env.OPS_URL}/executor/v1`;
const token = readFileSync(process.env.OPS_TOKEN_FILE ?? "", "utf8").trim();
const api = { authorization: `Bearer ${token}`, "content-type": "application/json" };
const never = new AbortController().signal;
const seconds = () => performance.now() / 1000;

/** One try. Throws an error with `code` when no repetition helps, else maybe with `pause`, the server's Retry-After. */
async function once(/** @type {string} */ url, /** @type {any} */ init, limit = 60) {
  const answer = await fetch(url, { ...init, signal: AbortSignal.any([init.signal ?? never, AbortSignal.timeout(limit * 1000)]) });
  const text = await answer.text();
  const body = text.startsWith("{") ? JSON.parse(text) : {};
  if (answer.ok || (init.method === "PUT" && answer.status === 412)) return body; // 412: it is there already
  if (answer.status >= 500) throw Object.assign(new Error(text), { pause: Number(answer.headers.get("retry-after")) || undefined });
  throw Object.assign(new Error(body.detail ?? text), { refused: true, code: body.code });
}
/** The same request until it is answered, or until nobody waits for it any more (`signal`). */
async function send(/** @type {string} */ url, /** @type {any} */ init) {
  for (let tries = 0; ; tries++) {
    try {
      return await once(url, init);
    } catch (/** @type {any} */ error) {
      if (error.refused || init.signal?.aborted) throw error;
      await sleep(1000 * (error.pause ?? Math.min(5, 0.2 * 2 ** tries) * (0.5 + Math.random() / 2)), null, { signal: init.signal });
    }
  }
}
const post = (/** @type {string} */ path, /** @type {any} */ body, signal = never) =>
  send(base + path, { method: "POST", headers: api, body: JSON.stringify(body), signal });
/** A claimed run at work. `stop` ends the work, `gone` everything: another epoch holds the run. */
class Job {
  cancelled = "";
  seq = 0;
  offset = 0;
  /** @type {string[]} */ lines = [];
  renewed = seconds();
  shipping = Promise.resolve();
  stop = new AbortController();
  gone = new AbortController();
  send = (/** @type {string} */ path, /** @type {any} */ body) =>
    post(`/runs/${this.run.run_id}${path}`, { epoch: this.run.epoch, ...body }, this.gone.signal);
  constructor(/** @type {Run} */ run) {
    this.run = run;
  }
  log(/** @type {string} */ line) {
    this.lines.push(line);
    if (this.lines.length === 1) this.shipping = this.shipping.then(() => sleep(100)).then(() => this.ship());
  }
  /** Send what was written since, chunk by chunk: seq counts the chunks, offset the bytes of UTF-8 before. */
  async ship() {
    for (const lines = this.lines.splice(0); lines.length; ) {
      let text = lines.shift() ?? "";
      while (lines.length && Buffer.byteLength(text + lines[0]) <= registration.log_chunk_bytes) text += lines.shift();
      const chunk = { stream: "stdout", seq: this.seq++, offset: this.offset, at: new Date().toISOString(), text };
      this.offset += Buffer.byteLength(text);
      await this.send("/logs", { chunks: [chunk] }).catch((error) => error.code === "lease_lost" && this.abandon());
    }
  }
  async artifact(/** @type {string} */ name, /** @type {Uint8Array} */ bytes, media_type = "application/octet-stream") {
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    const begun = await this.send("/artifacts", { name, kind: "file", media_type, size: bytes.length, sha256 });
    if (begun.upload) await send(begun.upload.url, { method: "PUT", headers: begun.upload.headers, body: bytes, signal: this.gone.signal });
    if (begun.state === "begun") await this.send(`/artifacts/${begun.artifact_id}/record`, {});
  }
  /** Another epoch holds the run: end the work, and say nothing more of it. */
  abandon() {
    [this.gone, this.stop].forEach((each) => each.abort());
  }
  /** A heartbeat's directive; `already_terminal` changes nothing: the report is sent until it is answered. */
  obey(/** @type {any} */ told, /** @type {number} */ sent) {
    if (told.directive === "superseded") return this.abandon();
    this.renewed = sent;
    if (told.directive === "cancel") this.stop.abort((this.cancelled = told.reason ?? "cancelled"));
  }
  /** Work, then one report, the same bytes until it is answered. */
  async do() {
    const begun = seconds();
    const outcome = await workload(this).then(
      (result) => ({ outcome: "succeeded", result }),
      (error) => (this.cancelled ? { outcome: "cancelled", reason: this.cancelled } : { outcome: "failed", error: failure(error) }),
    );
    await this.shipping;
    const told = { idempotency_key: `${this.run.run_id}/${this.run.epoch}`, finished_at: new Date().toISOString(), ...outcome };
    await this.send("/report", { usage: { wall_seconds: seconds() - begun }, ...told });
  }
}
const failure = (/** @type {any} */ { class: class_ = "internal", code = "failed", message = "" }) => ({ class: class_, code: `${code}`, message });

/** The work itself: the conformance workload. Throw {class, code, message} to fail; end when job.stop.signal says so. */
async function workload(/** @type {Job} */ job) {
  const { lines = 0, artifact_bytes = 0, sleep_seconds = 0, fail } = job.run.params;
  for (let i = 1; i <= lines; i++) job.log(`line ${i} of ${lines} – grüße\n`);
  if (artifact_bytes) await job.artifact("conformance.bin", Uint8Array.from({ length: artifact_bytes }, (_, i) => i % 251));
  for (const end = seconds() + sleep_seconds; seconds() < end; await sleep(200, null, { signal: job.stop.signal })) job.log("tick\n");
  if (fail) throw { class: fail, code: "asked_to_fail", message: "the conformance kit asked for this" };
  return { lines, artifact_bytes };
}
const me = { name: `sample-${process.pid}`, kind: process.env.SAMPLE_KIND ?? "command", version: "1.0.0", slots: 1 };
const contract = { min: "1.0", max: "1.1" };
const register = () => post("/executors", { ...me, instance_id: randomUUID(), contract, capabilities: { cancel: "full" } });

/** Renew every lease at a third of it, and hear what to do. One try each: the next one comes soon. */
async function beat() {
  const sent = seconds();
  const runs = [...active.values()].map(({ run }) => ({ run_id: run.run_id, epoch: run.epoch }));
  const body = JSON.stringify({ state: draining ? "draining" : "active", runs });
  try {
    const answer = await once(`${base}/executors/${registration.executor_id}/heartbeat`, { method: "POST", headers: api, body }, 5);
    for (const told of answer.runs) active.get(`${told.run_id}/${told.epoch}`)?.obey(told, sent);
    draining ||= answer.directive === "drain";
  } catch {
    for (const job of active.values()) if (job.run.on_lapse === "stop" && seconds() - job.renewed >= job.run.lease_seconds) job.abandon();
  }
}

/** @type {Map<string, Job>} */ const active = new Map();
/** @type {Set<string>} */ const begun = new Set(); // (run, epoch): an answer may come twice
let draining = false;
process.on("SIGTERM", () => (draining = true)).on("SIGINT", () => (draining = true));
let registration = await register();
(async () => {
  for (let last = seconds(); ; await sleep(100)) {
    const due = Math.min(registration.heartbeat_seconds, ...[...active.values()].map(({ run }) => run.lease_seconds / 3 - 0.1));
    if (seconds() - last >= due) [last] = [seconds(), await beat()];
  }
})();
while (!draining) {
  const wish = { request_id: randomUUID(), max_runs: 1, wait_seconds: Math.min(registration.claim_wait_seconds, 15) };
  /** @type {{runs: Run[]}} */ const { runs } = await post(`/executors/${registration.executor_id}/claims`, wish).catch(async (error) => {
    if (!["executor_gone", "executor_not_found"].includes(error.code)) throw error;
    registration = await register();
    return { runs: [] };
  });
  for (const run of runs) {
    const [key, job] = [`${run.run_id}/${run.epoch}`, new Job(run)];
    if (begun.has(key)) continue;
    active.set(key, job) && begun.add(key);
    await job.do().catch((error) => console.error(`run ${run.number}: ${error.message}`));
    active.delete(key);
  }
}
await send(`${base}/executors/${registration.executor_id}`, { method: "DELETE", headers: api });
process.exit(0);
