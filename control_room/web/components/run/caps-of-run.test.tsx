// @vitest-environment happy-dom
import { cleanup, render, screen } from "@testing-library/react";
import { afterEach, expect, test } from "vitest";
import { LedgerTable } from "@/components/limits/ledger-table";
import { CapsOfRun } from "@/components/run/caps-of-run";
import { Stops } from "@/components/run/stops";
import type { ExplainedCap } from "@/services/limits";
import { someDetail, wireAttempt } from "@/test/runs";

afterEach(cleanup);

const rows = (table: string) =>
  [...screen.getByRole("table", { name: table }).querySelectorAll("tbody tr")].map((row) => row.textContent);

function cap(more: Partial<ExplainedCap> = {}): ExplainedCap {
  return {
    cap: "wall_seconds",
    limit: 60,
    action: "cancel",
    grace_seconds: null,
    warn: null,
    given_by: "workspace cap",
    values: [
      { given_by: "workspace cap", limit: 60, action: null, grace_seconds: null },
      { given_by: "template", limit: 100, action: null, grace_seconds: null },
    ],
    ...more,
  };
}

test("a cap tells its use, limit, action and who gave it, with what others gave", () => {
  const warns = cap({
    cap: "log_bytes",
    limit: null,
    action: null,
    warn: 1024,
    given_by: "run",
    values: [{ given_by: "run", limit: 1024, action: "warn", grace_seconds: null }],
  });
  const run = someDetail({ usage: { wall_seconds: 15, log_bytes: 2048 } });
  render(<CapsOfRun run={{ ...run, attempts: [wireAttempt()] }} caps={[cap(), warns]} />);
  expect(rows("Caps")).toEqual([
    "wall time15.0 s 25 %1 m 00 scancel, the executor's own grace–workspace capworkspace cap 1 m 00 s, template 1 m 40 s",
    "log2.0 KiB 200 %–warn only1.0 KiBrun",
  ]);
});

test("an enforcement tells the layer, what it saw, and how far and how long that was beyond", () => {
  const entry = {
    run_id: "r",
    epoch: 7,
    layer: "watchdog",
    cap: "memory_bytes",
    limit: 1024,
    observed: 3072,
    overshoot: 2048,
    overshoot_ms: 42,
    action: "killed",
    at: "2026-11-23T12:00:00Z",
  };
  render(<LedgerTable label="What caps did" entries={[entry]} attempts={new Map([[7, 2]])} />);
  expect(rows("What caps did")[0]).toContain("2memory1.0 KiB3.0 KiB2.0 KiB42 mskilledwatchdog");
});

test("a stop tells each of its moments, and what nobody told stays open", () => {
  const timings = {
    cause: "cancel" as const,
    delivered_at: "2026-11-23T12:00:01Z",
    engine_stopped_at: "2026-11-23T12:00:01.250Z",
    released_at: null,
  };
  render(<Stops attempts={[wireAttempt({ timings })]} requestedAt="2026-11-23T12:00:00.600Z" />);
  expect(rows("How soon it stopped")[0]).toMatch(
    /^1cancelled\d\d:\d\d:00\.600\d\d:\d\d:01\.000after 400 ms\d\d:\d\d:01\.250after 650 ms–$/,
  );
});
