const NOTHING = "–";

const integer = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const exact = new Intl.DateTimeFormat("en-GB", {
  year: "numeric",
  month: "short",
  day: "2-digit",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  timeZoneName: "short",
});

export function formatCount(value: number | null | undefined): string {
  return value === null || value === undefined ? NOTHING : integer.format(value);
}

const amounts = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });

/** Money and the like: four digits that count, however small. */
export function formatAmount(value: number): string {
  return amounts.format(value);
}

/** Bytes in binary units, two significant steps: `1.5 MiB`. */
export function formatBytes(bytes: number | null | undefined): string {
  if (bytes === null || bytes === undefined) return NOTHING;
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || value >= 100 ? 0 : 1;
  return `${value.toFixed(digits)} ${units[unit]}`;
}

/** Milliseconds as people read them: `340 ms`, `4.2 s`, `3 m 05 s`, `2 h 04 m`, `3 d 01 h`. */
export function formatDuration(ms: number | null | undefined): string {
  if (ms === null || ms === undefined || !Number.isFinite(ms)) return NOTHING;
  const clamped = Math.max(0, ms);
  if (clamped < 1000) return `${Math.round(clamped)} ms`;
  if (clamped < 59_950) return `${(clamped / 1000).toFixed(1)} s`;
  const seconds = Math.round(clamped / 1000);
  if (seconds < 3600) return pair(Math.floor(seconds / 60), "m", seconds % 60, "s");
  if (seconds < 86_400) return pair(Math.floor(seconds / 3600), "h", Math.floor((seconds % 3600) / 60), "m");
  return pair(Math.floor(seconds / 86_400), "d", Math.floor((seconds % 86_400) / 3600), "h");
}

/** Whole seconds while something is still running, so that the figure ticks instead of trembling. */
export function formatTicking(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  return seconds < 60 ? `${seconds} s` : formatDuration(seconds * 1000);
}

function pair(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return `${large} ${largeUnit} ${String(small).padStart(2, "0")} ${smallUnit}`;
}

/** How long ago (or until) `at` is, seen from `now` (epoch milliseconds). */
export function formatRelative(at: string | null | undefined, now: number): string {
  const time = parseTime(at);
  if (time === null) return NOTHING;
  const seconds = Math.round((now - time) / 1000);
  if (Math.abs(seconds) < 5) return "just now";
  const amount = largestUnit(Math.abs(seconds));
  return seconds < 0 ? `in ${amount}` : `${amount} ago`;
}

function largestUnit(seconds: number): string {
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

/** The full local time with its zone; the ISO text stays in `dateTime` for machines. */
export function formatExact(at: string | null | undefined): string {
  const time = parseTime(at);
  return time === null ? NOTHING : exact.format(time);
}

/** `14:03:07.512` local, for events and log gutters. */
export function formatClock(at: string | null | undefined): string {
  const time = parseTime(at);
  if (time === null) return NOTHING;
  const date = new Date(time);
  const [h, m, s] = [date.getHours(), date.getMinutes(), date.getSeconds()].map((n) =>
    String(n).padStart(2, "0"),
  );
  return `${h}:${m}:${s}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

export function parseTime(at: string | null | undefined): number | null {
  if (!at) return null;
  const time = Date.parse(at);
  return Number.isNaN(time) ? null : time;
}

/** Milliseconds between two instants; an open end counts up to `now`. Null before the start. */
export function elapsed(
  from: string | null | undefined,
  to: string | null | undefined,
  now: number,
): number | null {
  const start = parseTime(from);
  if (start === null) return null;
  return (parseTime(to) ?? now) - start;
}

export function shortHash(hash: string | null | undefined, length = 12): string {
  return hash ? hash.slice(0, length) : NOTHING;
}

/** A value from params, results or event data, on one line. */
export function formatValue(value: unknown): string {
  if (value === null || value === undefined) return NOTHING;
  if (typeof value === "number") return Number.isInteger(value) ? integer.format(value) : String(value);
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** Turns `state_reason` and event words into text: `retry_backoff` reads `retry backoff`. */
export function formatWord(word: string | null | undefined): string {
  return word ? word.replaceAll("_", " ") : "";
}
