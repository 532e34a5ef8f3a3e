import { expect, test } from "vitest";
import { measures } from "@/lib/usage";

test("the unit is read off the field's name", () => {
  expect(measures({ peak_memory_bytes: 1048576, wall_seconds: 12.3, rows: 42 })).toEqual([
    { key: "peak memory", value: "1.0 MiB" },
    { key: "wall", value: "12.3 s" },
    { key: "rows", value: "42" },
  ]);
});
