import { formatBytes, formatDuration, formatValue, formatWord } from "@/lib/format";
import type { JsonObject } from "@/lib/json";

export type Measure = { key: string; value: string };

/** Usage and caps name their unit in the field (`peak_memory_bytes`, `wall_seconds`); this reads it off again. */
export function measures(values: JsonObject): Measure[] {
  return Object.entries(values).map(([name, value]) => measure(name, value));
}

function measure(name: string, value: unknown): Measure {
  if (typeof value === "number" && name.endsWith("_bytes")) {
    return { key: formatWord(name.slice(0, -6)), value: formatBytes(value) };
  }
  if (typeof value === "number" && name.endsWith("_seconds")) {
    return { key: formatWord(name.slice(0, -8)), value: formatDuration(value * 1000) };
  }
  return { key: formatWord(name), value: formatValue(value) };
}
