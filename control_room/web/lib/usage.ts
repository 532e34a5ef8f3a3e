import { formatAmount, formatBytes, formatDuration, formatValue, formatWord } from "@/lib/format";
import type { JsonObject } from "@/lib/json";

export type Measure = { key: string; value: string };

/** Usage and caps name their unit in the field (`peak_memory_bytes`, `wall_seconds`); this reads it off again. */
export function measures(values: JsonObject): Measure[] {
  return Object.entries(values).map(([name, value]) => ({
    key: measureName(name),
    value: measureValue(name, value),
  }));
}

/** Caps and the units of budgets, as people say them. */
const LIMITS: Record<string, string> = {
  wall_seconds: "wall time",
  queue_seconds: "time in the queue",
  cpu_seconds: "processor time",
  memory_bytes: "memory",
  scanned_bytes: "bytes scanned",
  written_bytes: "bytes written",
  rows_out: "rows out",
  log_bytes: "log",
  artifact_bytes: "bytes of artifacts",
  artifact_count: "artifacts",
};

export function limitName(name: string): string {
  return LIMITS[name] ?? measureName(name);
}

export function measureName(name: string): string {
  return formatWord(name.replace(/_(bytes|seconds)$/, ""));
}

export function measureValue(name: string, value: unknown): string {
  if (typeof value === "number" && name.endsWith("_bytes")) return formatBytes(value);
  if (typeof value === "number" && name.endsWith("_seconds")) return formatDuration(value * 1000);
  if (typeof value === "number" && name === "cost") return formatAmount(value);
  return formatValue(value);
}

/** What the work said of itself at its last attempt. */
export function latestMetrics(attempts: readonly { epoch: number; metrics: JsonObject }[]): JsonObject {
  return [...attempts].sort((a, b) => b.epoch - a.epoch)[0]?.metrics ?? {};
}
