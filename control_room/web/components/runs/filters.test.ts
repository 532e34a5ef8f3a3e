import { expect, test } from "vitest";
import { isFiltered, readFilters, readRunRef, toggleState } from "@/components/runs/filters";

const read = (search: string) => readFilters(new URLSearchParams(search));

test("filters come from the address, and unknown states are left out", () => {
  const filters = read(
    "?state=failed&state=exploded&reason=budget_exhausted&kind=dbt&q=gold&top_level=false",
  );
  expect(filters).toEqual({
    state: ["failed"],
    reason: "budget_exhausted",
    kind: "dbt",
    template: null,
    q: "gold",
    top_level: false,
    cursor: null,
  });
});

test("tasks of pipelines are left out unless asked for, which is not a filter to clear", () => {
  expect(read("").top_level).toBe(true);
  expect(isFiltered(read("?top_level=false"))).toBe(false);
  expect(isFiltered(read("?q=gold"))).toBe(true);
  expect(isFiltered(read("?reason=budget_exhausted"))).toBe(true);
});

test("a state chip turns on and off, and leads back to the first page", () => {
  expect(toggleState(read("?state=failed"), "queued")).toEqual({ state: ["failed", "queued"], cursor: null });
  expect(toggleState(read("?state=failed"), "failed")).toEqual({ state: [], cursor: null });
});

test.each([
  ["42", "42"],
  [" #42 ", "42"],
  ["019AB3C4-0000-7000-8000-000000000042", "019ab3c4-0000-7000-8000-000000000042"],
  ["nycflights", null],
  ["", null],
  ["../42", null],
  ["42; drop table", null],
])("%j leads to the run %j", (text, ref) => expect(readRunRef(text)).toBe(ref));
