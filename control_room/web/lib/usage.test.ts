import { expect, test } from "vitest";
import { latestMetrics, measures } from "@/lib/usage";

test("the unit is read off the field's name", () => {
  expect(measures({ peak_memory_bytes: 1048576, wall_seconds: 12.3, rows: 42 })).toEqual([
    { key: "peak memory", value: "1.0 MiB" },
    { key: "wall", value: "12.3 s" },
    { key: "rows", value: "42" },
  ]);
});

test("the metrics shown are those of the last attempt", () => {
  const attempts = [
    { epoch: 3, metrics: { loss: 0.5 } },
    { epoch: 1, metrics: { loss: 0.9 } },
  ];
  expect(latestMetrics(attempts)).toEqual({ loss: 0.5 });
  expect(latestMetrics([])).toEqual({});
});
