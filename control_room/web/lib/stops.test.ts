import { expect, test } from "vitest";
import { stopSteps, stopText } from "@/lib/stops";

const TIMINGS = {
  cause: "cancel" as const,
  delivered_at: "2026-11-22T12:00:01Z",
  engine_stopped_at: "2026-11-22T12:00:01.250Z",
  released_at: "2026-11-22T12:00:01.300Z",
};

test("a cancellation is told from its request", () => {
  expect(stopText(TIMINGS, "2026-11-22T12:00:00.600Z")).toBe(
    "Cancelled: told after 400 ms, engine stopped after 650 ms, released after 700 ms",
  );
});

test("a cap is told from its breach", () => {
  expect(stopText({ ...TIMINGS, cause: "cap", engine_stopped_at: null }, null)).toBe(
    "Cap passed: released after 300 ms",
  );
});

test("an attempt that nobody stopped has nothing to tell", () => {
  expect(stopText(null, null)).toBeNull();
  expect(stopText(TIMINGS, null)).toBeNull();
});

test("each moment stands with its time, and what is not known stays unknown", () => {
  expect(stopSteps({ ...TIMINGS, released_at: null }, "2026-11-22T12:00:00.600Z")).toEqual([
    { name: "told", at: "2026-11-22T12:00:01Z", after: 400 },
    { name: "engine stopped", at: "2026-11-22T12:00:01.250Z", after: 650 },
    { name: "released", at: null, after: null },
  ]);
  expect(stopSteps({ ...TIMINGS, cause: "cap" }, null).map(({ after }) => after)).toEqual([0, 250, 300]);
});
