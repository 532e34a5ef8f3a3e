import { formatDuration, parseTime } from "@/lib/format";

export type StopTimings = {
  cause: "cancel" | "cap";
  delivered_at: string | null;
  engine_stopped_at: string | null;
  released_at: string | null;
};

/** A moment of a stop, and how long after its beginning that was (ms); null where one of the two is not known. */
export type StopStep = { name: string; at: string | null; after: number | null };

/**
 * The moments of a stop in their order: after the request, or after a cap was passed. By two clocks, so never below
 * zero.
 */
export function stopSteps(timings: StopTimings, requestedAt: string | null): StopStep[] {
  const cancelled = timings.cause === "cancel";
  const begun = parseTime(cancelled ? requestedAt : timings.delivered_at);
  const steps: [string, string | null][] = [
    [cancelled ? "told" : "passed", timings.delivered_at],
    ["engine stopped", timings.engine_stopped_at],
    ["released", timings.released_at],
  ];
  return steps.map(([name, at]) => ({ name, at, after: since(begun, at) }));
}

function since(begun: number | null, at: string | null): number | null {
  const time = parseTime(at);
  return begun === null || time === null ? null : Math.max(0, time - begun);
}

/** How soon an attempt stopped, in a line. */
export function stopText(timings: StopTimings | null | undefined, requestedAt: string | null): string | null {
  if (!timings) return null;
  const told = stopSteps(timings, requestedAt)
    .filter(({ name, after }) => after !== null && name !== "passed")
    .map(({ name, after }) => `${name} after ${formatDuration(after)}`);
  const what = timings.cause === "cancel" ? "Cancelled" : "Cap passed";
  return told.length === 0 ? null : `${what}: ${told.join(", ")}`;
}
