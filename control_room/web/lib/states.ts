export const RUN_STATES = [
  "waiting",
  "queued",
  "running",
  "succeeded",
  "failed",
  "cancelled",
  "skipped",
] as const;
export type RunState = (typeof RUN_STATES)[number];

const TERMINAL: ReadonlySet<string> = new Set(["succeeded", "failed", "cancelled", "skipped"]);

export function isRunState(value: string): value is RunState {
  return (RUN_STATES as readonly string[]).includes(value);
}

export function isTerminal(state: string): boolean {
  return TERMINAL.has(state);
}

/** Retry makes a new run, so it needs a finished one that did not succeed. */
export function isRetryable(state: string): boolean {
  return state === "failed" || state === "cancelled" || state === "skipped";
}
