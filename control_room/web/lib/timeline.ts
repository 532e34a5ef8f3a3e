import { parseTime } from "@/lib/format";

export type Bar = { x: number; width: number };
export type TaskBars = { queued: Bar | null; ran: Bar | null };
type Times = { queued_at: string | null; started_at: string | null; finished_at: string | null };
export type Span = { from: number; to: number };

/** The time all tasks together take, up to `now` while one of them is open. Null before the first was queued. */
export function spanOf(tasks: Times[], now: number): Span | null {
  const starts = tasks.flatMap((task) => parseTime(task.queued_at) ?? parseTime(task.started_at) ?? []);
  if (starts.length === 0) return null;
  const ends = tasks.flatMap((task) =>
    parseTime(task.queued_at) === null ? [] : (parseTime(task.finished_at) ?? now),
  );
  const from = Math.min(...starts);
  return { from, to: Math.max(from + 1, ...ends) };
}

/** Where a task queued and ran inside the span, in percent of its width. */
export function barsOf(task: Times, span: Span, now: number): TaskBars {
  const [queued, started] = [parseTime(task.queued_at), parseTime(task.started_at)];
  const end = parseTime(task.finished_at) ?? now;
  return {
    queued: queued === null ? null : bar(queued, started ?? end, span),
    ran: started === null ? null : bar(started, end, span),
  };
}

function bar(from: number, to: number, span: Span): Bar {
  const scale = 100 / (span.to - span.from);
  const clamp = (value: number) => Math.min(100, Math.max(0, value));
  const x = clamp((from - span.from) * scale);
  return { x, width: Math.max(0.6, clamp((to - span.from) * scale) - x) };
}
