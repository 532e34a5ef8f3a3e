import { expect, test } from "vitest";
import { checkLinks, type RunEvent, toRunEvent } from "@/services/run-events";

function event(seq: number, prev_hash: string, hash: string): RunEvent {
  return {
    run_id: "r",
    seq,
    at: "2026-01-01T00:00:00Z",
    type: "run.queued",
    epoch: 0,
    actor: "system",
    data: {},
    hash,
    prev_hash,
  };
}

test("events that name the one before them are linked", () => {
  expect(checkLinks([event(1, "0", "a"), event(2, "a", "b"), event(3, "b", "c")])).toEqual({ ok: true });
});

test("a changed hash and a missing event break the chain where they are", () => {
  expect(checkLinks([event(1, "0", "a"), event(2, "x", "b")])).toEqual({ ok: false, seq: 2 });
  expect(checkLinks([event(1, "0", "a"), event(3, "a", "c")])).toEqual({ ok: false, seq: 3 });
});

test("an actor is shown by role and name", () => {
  const wire = event(1, "0", "a");
  expect(toRunEvent({ ...wire, actor: "executor:dbt-1" }).actor).toBe("executor dbt-1");
  expect(toRunEvent({ ...wire, actor: { kind: "executor", name: "dbt-1" } }).actor).toBe("dbt-1");
  expect(toRunEvent({ ...wire, actor: null }).actor).toBe("system");
});
