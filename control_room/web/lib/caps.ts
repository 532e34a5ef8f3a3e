import { elapsed, formatAmount } from "@/lib/format";
import { asNumber, type JsonObject } from "@/lib/json";
import { measureValue } from "@/lib/usage";

/** What is needed of a run to say how much of its caps it used. */
export type Spender = {
  state: string;
  usage: JsonObject;
  cost: { amount: number; currency: string } | null;
  queued_at: string | null;
  started_at: string | null;
  attempts: readonly { epoch: number; started_at: string; finished_at: string | null }[];
};

/** Caps whose use has another name in a run's usage. */
const USAGE_NAMES: Record<string, string> = { memory_bytes: "memory_peak_bytes" };

/**
 * What the last attempt used of a cap, in the cap's unit, up to `now` (epoch ms) while it works; null where nobody told.
 * A run's cost is of all its attempts, so of a run with several it says nothing about one.
 */
export function usedOf(cap: string, run: Spender, now: number): number | null {
  if (cap === "queue_seconds") return waitedSeconds(run, now);
  if (cap === "cost") return run.attempts.length > 1 ? null : (run.cost?.amount ?? null);
  const told = asNumber(run.usage[USAGE_NAMES[cap] ?? cap]);
  return cap === "wall_seconds" ? workedSeconds(run, told, now) : told;
}

function waitedSeconds(run: Spender, now: number): number | null {
  if (!run.started_at && run.state !== "queued") return null;
  const ms = elapsed(run.queued_at, run.started_at, now);
  return ms === null || ms < 0 ? null : ms / 1000;
}

/** The executor's own figure once the attempt has ended; before, the clock, which is ahead of the last heartbeat. */
function workedSeconds(run: Spender, told: number | null, now: number): number | null {
  const last = [...run.attempts].sort((a, b) => b.epoch - a.epoch)[0];
  if (!last || (last.finished_at && told !== null)) return told;
  const ms = elapsed(last.started_at, last.finished_at, now);
  return ms === null ? told : ms / 1000;
}

/** A cap's amount with its unit: `10 m 00 s`, `1.5 GiB`, `1,000,000 rows`, `0.25 EUR`. */
export function capValue(
  cap: string,
  value: number | null,
  currency: string | null | undefined = null,
): string {
  if (value === null) return "–";
  if (cap === "cost")
    return [formatAmount(value), currency ?? null].filter((word) => word !== null).join(" ");
  const unit = COUNTED[cap];
  return unit
    ? `${measureValue(cap, value)} ${value === 1 ? unit.slice(0, -1) : unit}`
    : measureValue(cap, value);
}

const COUNTED: Record<string, string> = { rows_out: "rows", artifact_count: "artifacts" };

export type Rule = { limit: number | null; action: string | null; grace_seconds: number | null };

/** What is done at a limit, as a person would say it. A cap without a limit that ends something has nothing to do. */
export function ruleText({ limit, action, grace_seconds }: Rule): string {
  if (limit === null) return "warn only";
  if (action === "cut") return "cut the log";
  if (action === "kill") return "kill at once";
  if (action !== null && action !== "cancel") return action;
  const grace =
    grace_seconds === null ? "the executor's own grace" : `${formatAmount(grace_seconds)} s of grace`;
  return `cancel, ${grace}`;
}

/** Percent of the limit, whole; null where one of them is not known. */
export function shareOf(used: number | null, limit: number | null): number | null {
  return used === null || limit === null || limit <= 0 ? null : Math.round((100 * used) / limit);
}
