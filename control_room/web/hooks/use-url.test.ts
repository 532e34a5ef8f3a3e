import { expect, test } from "vitest";
import { changeSearch } from "@/hooks/use-url";

test("a parameter is set, repeated and removed, and the others stay", () => {
  expect(changeSearch("?id=42", { tab: "logs" })).toBe("?id=42&tab=logs");
  expect(changeSearch("?id=42&tab=logs", { tab: null })).toBe("?id=42");
  expect(changeSearch("?q=a", { state: ["failed", "queued"] })).toBe("?q=a&state=failed&state=queued");
  expect(changeSearch("?state=failed&state=queued", { state: [] })).toBe("");
});
