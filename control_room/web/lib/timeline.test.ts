import { expect, test } from "vitest";
import { barsOf, spanOf } from "@/lib/timeline";

const at = (seconds: number) => new Date(seconds * 1000).toISOString();
const task = (queued: number | null, started: number | null, finished: number | null) => ({
  queued_at: queued === null ? null : at(queued),
  started_at: started === null ? null : at(started),
  finished_at: finished === null ? null : at(finished),
});

test("the span reaches from the first queueing to the last end, or to now while a task is open", () => {
  expect(spanOf([task(10, 12, 20), task(20, 21, 40)], 99_000)).toEqual({ from: 10_000, to: 40_000 });
  expect(spanOf([task(10, 12, 20), task(20, 21, null)], 60_000)).toEqual({ from: 10_000, to: 60_000 });
});

test("tasks that were never queued neither stretch the span nor make one", () => {
  expect(spanOf([task(null, null, null)], 60_000)).toBeNull();
  expect(spanOf([task(10, 12, 20), task(null, null, null)], 60_000)).toEqual({ from: 10_000, to: 20_000 });
});

test("bars lie where the task queued and ran", () => {
  const span = { from: 0, to: 100_000 };
  expect(barsOf(task(10, 20, 70), span, 0)).toEqual({
    queued: { x: 10, width: 10 },
    ran: { x: 20, width: 50 },
  });
  expect(barsOf(task(10, null, null), span, 30_000)).toEqual({ queued: { x: 10, width: 20 }, ran: null });
});

test("a bar too short to see is still drawn", () => {
  expect(barsOf(task(0, 0, 0.001), { from: 0, to: 100_000 }, 0).ran?.width).toBe(0.6);
});
