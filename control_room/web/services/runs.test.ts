import { expect, test } from "vitest";
import { resultNodes, toError, toProgress, toRun } from "@/services/runs";
import { wireRun } from "@/test/runs";

test("inputs keep version 0, which is a version", () => {
  const run = toRun(
    wireRun({ inputs: [{ name: "flights", kind: "table", uri: "s3://x", version: 0, from_run_id: null }] }),
  );
  expect(run.inputs).toEqual([
    {
      name: "flights",
      kind: "table",
      format: null,
      uri: "s3://x",
      version: "0",
      artifact_id: null,
      sha256: null,
      from_run_id: null,
    },
  ]);
});

test("progress is a fraction between 0 and 1, counted when it is not given", () => {
  expect(toProgress({ fraction: 1.7 })?.fraction).toBe(1);
  expect(toProgress({ current: 3, total: 12 })?.fraction).toBe(0.25);
  expect(toProgress({ current: 3, total: 0 })?.fraction).toBeNull();
  expect(toProgress({ message: "reading" })).toMatchObject({ fraction: null, message: "reading" });
  expect(toProgress(null)).toBeNull();
});

test("an error that says little is still an error", () => {
  expect(toError({})).toMatchObject({ class: "internal", code: "unknown" });
  expect(toError(null)).toBeNull();
});

test("nodes are read whether dbt's names or ours stand on them", () => {
  const result = {
    nodes: [
      { unique_id: "model.a", resource_type: "model", status: "success", execution_time: 1.5 },
      "no node",
    ],
  };
  expect(resultNodes(result)).toEqual([
    {
      name: "model.a",
      type: "model",
      status: "success",
      rows: null,
      seconds: 1.5,
      message: null,
      kept: false,
      failingRows: [],
      failingRowsFile: null,
    },
  ]);
  expect(resultNodes(null)).toEqual([]);
});
