import type { Schemas } from "@/services/http";
import { type Attempt, type Run, type RunDetail, toRun } from "@/services/runs";

/** A finished run as the server sends it, for tests to vary. */
export function wireRun(more: Partial<Schemas["Run"]> = {}): Schemas["Run"] {
  return {
    run_id: "019ab3c4-0000-7000-8000-000000000042",
    number: 42,
    workspace: "default",
    template_name: "nycflights-ingest",
    template_version: 2,
    kind: "python",
    task_key: null,
    pipeline_run_id: null,
    pipeline_run_number: null,
    params: {},
    inputs: [],
    outputs: [],
    labels: {},
    state: "succeeded",
    state_reason: null,
    priority: 0,
    queue: "default",
    paused: false,
    epoch: 1,
    attempt: 1,
    max_attempts: 5,
    retry: null,
    lease_seconds: 60,
    condition: null,
    not_before: null,
    deadline: null,
    submitted_by: "operator",
    submitted_at: "2026-01-01T00:00:00Z",
    queued_at: "2026-01-01T00:00:00Z",
    started_at: "2026-01-01T00:00:01Z",
    finished_at: "2026-01-01T00:00:05.500Z",
    cancel_requested_at: null,
    cancel_reason: null,
    legal_hold: null,
    cost: null,
    result: null,
    error: null,
    progress: null,
    usage: {},
    caps: {},
    cap_rules: {},
    retry_of: null,
    reproduces: null,
    reproduces_number: null,
    reused_from: null,
    reused_from_number: null,
    retry_of_number: null,
    executor_name: "python-1",
    rows: 336776,
    artifact_count: 0,
    concurrency_key: null,
    dedupe_key: null,
    lease_deadline: null,
    ...more,
  };
}

export function someRun(more: Partial<Schemas["Run"]> = {}): Run {
  return toRun(wireRun(more));
}

export function someDetail(more: Partial<Schemas["Run"]> = {}): RunDetail {
  return {
    ...someRun(more),
    attempts: [],
    children: [],
    depends_on: [],
    publications: [],
    cap_ledger: [],
  };
}

export function wireAttempt(more: Partial<Attempt> = {}): Attempt {
  return {
    epoch: 1,
    attempt: 1,
    outcome: "succeeded",
    executor_id: null,
    executor_name: "python-1",
    executor_number: 1,
    started_at: "2026-01-01T00:00:01Z",
    finished_at: "2026-01-01T00:00:05.500Z",
    reported_at: "2026-01-01T00:00:05.500Z",
    result: null,
    error: null,
    usage: {},
    metrics: {},
    timings: null,
    ...more,
  };
}
