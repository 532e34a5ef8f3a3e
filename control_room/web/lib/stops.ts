import { formatDuration } from "@/lib/format";

export type StopTimings = {
  cause: "cancel" | "cap";
  delivered_at: string | null;
  engine_stopped_at: string | null;
  released_at: string | null;
};

/** How soon an attempt stopped: after the request, or after it passed a cap. By two clocks, so never below zero. */
export function stopText(timings: StopTimings | null | undefined, requestedAt: string | null): string | null {
  if (!timings) return null;
  const cancelled = timings.cause === "cancel";
  const begun = cancelled ? requestedAt : timings.delivered_at;
  const steps: [string, string | null][] = [
    ...(cancelled ? [["told", timings.delivered_at] as [string, string | null]] : []),
    ["engine stopped", timings.engine_stopped_at],
    ["released", timings.released_at],
  ];
  const told = steps.flatMap(([word, at]) =>
    at && begun ? [`${word} after ${formatDuration(Math.max(0, Date.parse(at) - Date.parse(begun)))}`] : [],
  );
  return told.length === 0 ? null : `${cancelled ? "Cancelled" : "Cap passed"}: ${told.join(", ")}`;
}
