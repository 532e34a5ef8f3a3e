import { expect, test } from "vitest";
import { capValue, ruleText, type Spender, shareOf, usedOf } from "@/lib/caps";

const NOW = Date.parse("2026-11-23T12:00:10Z");

function spender(more: Partial<Spender> = {}): Spender {
  return {
    state: "succeeded",
    usage: { wall_seconds: 4.5, memory_peak_bytes: 2048, log_bytes: 10 },
    cost: { amount: 0.25, currency: "EUR" },
    queued_at: "2026-11-23T12:00:00Z",
    started_at: "2026-11-23T12:00:02Z",
    attempts: [{ epoch: 1, started_at: "2026-11-23T12:00:02Z", finished_at: "2026-11-23T12:00:07Z" }],
    ...more,
  };
}

test("each cap is compared with what the last attempt told of it", () => {
  const used = (cap: string) => usedOf(cap, spender(), NOW);
  expect(["wall_seconds", "memory_bytes", "log_bytes", "queue_seconds", "cost"].map(used)).toEqual([
    4.5, 2048, 10, 2, 0.25,
  ]);
  expect(used("rows_out")).toBeNull();
});

test("the wall clock of an attempt at work goes on between heartbeats", () => {
  const attempts = [
    { epoch: 1, started_at: "2026-11-23T11:00:00Z", finished_at: "2026-11-23T11:30:00Z" },
    { epoch: 2, started_at: "2026-11-23T12:00:04Z", finished_at: null },
  ];
  expect(usedOf("wall_seconds", spender({ state: "running", attempts }), NOW)).toBe(6);
});

test("what several attempts cost together is not told as the use of one", () => {
  const attempts = [...spender().attempts, ...spender().attempts];
  expect(usedOf("cost", spender({ attempts }), NOW)).toBeNull();
});

test("a run that waits for something else does not wait in the queue", () => {
  expect(usedOf("queue_seconds", spender({ state: "queued", started_at: null }), NOW)).toBe(10);
  expect(usedOf("queue_seconds", spender({ state: "waiting", started_at: null }), NOW)).toBeNull();
});

test.each([
  ["wall_seconds", 600, "10 m 00 s"],
  ["memory_bytes", 1_610_612_736, "1.5 GiB"],
  ["rows_out", 1_000_000, "1,000,000 rows"],
  ["artifact_count", 1, "1 artifact"],
  ["cost", 0.123456, "0.1235 EUR"],
  ["wall_seconds", null, "–"],
])("%s of %j reads %s", (cap, value, text) => expect(capValue(cap, value, "EUR")).toBe(text));

test.each([
  [{ limit: 1, action: "cancel", grace_seconds: 0.5 }, "cancel, 0.5 s of grace"],
  [{ limit: 1, action: null, grace_seconds: null }, "cancel, the executor's own grace"],
  [{ limit: 1, action: "kill", grace_seconds: null }, "kill at once"],
  [{ limit: 1, action: "cut", grace_seconds: null }, "cut the log"],
  [{ limit: null, action: null, grace_seconds: null }, "warn only"],
])("%j is told as %s", (rule, text) => expect(ruleText(rule)).toBe(text));

test("a share is whole percent, also beyond the limit, and unknown where a figure is missing", () => {
  expect([shareOf(1, 3), shareOf(6, 3), shareOf(null, 3), shareOf(1, null)]).toEqual([33, 200, null, null]);
});
