import { QueryClient } from "@tanstack/react-query";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { runKeys } from "@/services/runs";
import {
  applyEvents,
  batch,
  follow,
  type Source,
  type StreamEvent,
  type StreamStatus,
  toStreamEvent,
} from "@/services/stream";

const EVENT: StreamEvent = {
  run_id: "r1",
  number: 1,
  pipeline_run_id: "p1",
  type: "run.started",
  state: "running",
  at: "2026-01-01T00:00:00Z",
  seq: 3,
};

/** An event source that does what the test says. */
class FakeSource extends EventTarget implements Source {
  readyState = 0;
  close = vi.fn();

  open(): void {
    this.readyState = 1;
    this.dispatchEvent(new Event("open"));
  }

  fail(readyState: 0 | 2): void {
    this.readyState = readyState;
    this.dispatchEvent(new Event("error"));
  }
}

function setUp() {
  const sources: FakeSource[] = [];
  const seen: { statuses: StreamStatus[]; events: StreamEvent[]; gaps: number } = {
    statuses: [],
    events: [],
    gaps: 0,
  };
  const listeners = {
    onStatus: (status: StreamStatus) => void seen.statuses.push(status),
    onEvent: (event: StreamEvent) => void seen.events.push(event),
    onGap: () => {
      seen.gaps += 1;
    },
  };
  const stop = follow(listeners, () => {
    const source = new FakeSource();
    sources.push(source);
    return source;
  });
  return { sources, seen, stop };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("following the stream", () => {
  test("events arrive as they are sent, and broken ones are left out", () => {
    const { sources, seen } = setUp();
    sources[0]?.open();
    sources[0]?.dispatchEvent(new MessageEvent("message", { data: JSON.stringify(EVENT) }));
    sources[0]?.dispatchEvent(new MessageEvent("message", { data: "{" }));
    expect(seen.events).toEqual([EVENT]);
    expect(seen.statuses).toEqual(["connecting", "live"]);
  });

  test("a broken connection is left to the browser, which resumes it", () => {
    const { sources, seen } = setUp();
    sources[0]?.open();
    sources[0]?.fail(0);
    sources[0]?.open();
    expect(sources).toHaveLength(1);
    expect(seen.statuses).toEqual(["connecting", "live", "reconnecting", "live"]);
    expect(seen.gaps).toBe(1); // of the beginning alone; the browser's own return leaves none
  });

  test("a source that gave up is opened anew, ever more slowly, and the gap is told", () => {
    const { sources, seen } = setUp();
    sources[0]?.fail(2);
    expect(seen.statuses.at(-1)).toBe("offline");
    vi.advanceTimersByTime(1000);
    sources[1]?.fail(2);
    vi.advanceTimersByTime(1000);
    expect(sources).toHaveLength(2);
    vi.advanceTimersByTime(1000);
    sources[2]?.open();
    expect(seen.gaps).toBe(1);
    expect(seen.statuses.at(-1)).toBe("live");
  });

  test("nothing is opened after the end", () => {
    const { sources, stop } = setUp();
    sources[0]?.fail(2);
    stop();
    vi.advanceTimersByTime(60_000);
    expect(sources).toHaveLength(1);
    expect(sources[0]?.close).toHaveBeenCalled();
  });
});

test("a burst is applied at once and then gathered, and none of it is lost", () => {
  const applied: number[] = [];
  const batched = batch((events) => void applied.push(events.length), 400);
  for (let count = 0; count < 10; count += 1) batched.add(EVENT);
  expect(applied).toEqual([1]);
  vi.advanceTimersByTime(400);
  expect(applied).toEqual([1, 9]);
  vi.advanceTimersByTime(400);
  batched.add(EVENT);
  expect(applied).toEqual([1, 9, 1]);
});

test("an event makes stale what it touches and leaves the rest alone", () => {
  const client = new QueryClient();
  const lists = runKeys.list({
    state: [],
    reason: null,
    kind: null,
    template: null,
    q: null,
    top_level: true,
    cursor: null,
  });
  client.setQueryData(lists, { items: [] });
  client.setQueryData(runKeys.detail("1"), { run_id: "r1", depends_on: [] });
  client.setQueryData(runKeys.detail("9"), { run_id: "p1", depends_on: [] });
  client.setQueryData(runKeys.detail("3"), { run_id: "r3", depends_on: [{ run_id: "r1" }] });
  client.setQueryData(runKeys.detail("4"), { run_id: "r4", depends_on: [] });
  applyEvents(client, [EVENT]);
  const stale = (key: readonly unknown[]) => client.getQueryState(key)?.isInvalidated;
  expect([
    stale(lists),
    stale(runKeys.detail("1")),
    stale(runKeys.detail("9")),
    stale(runKeys.detail("3")),
  ]).toEqual([true, true, true, true]);
  expect(stale(runKeys.detail("4"))).toBe(false);
});

test.each(["", "null", "[]", '{"number":1}'])("%j is no event", (data) =>
  expect(toStreamEvent(data)).toBeNull(),
);
