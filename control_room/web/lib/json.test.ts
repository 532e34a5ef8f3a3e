import { describe, expect, it } from "vitest";
import { parseJson } from "./json";

describe("parseJson", () => {
  it("keeps whole numbers that no double holds, as text", () => {
    expect(
      parseJson('{"version": 2285274768888503277, "of": [-9223372036854775808, 9007199254740993]}'),
    ).toEqual({
      version: "2285274768888503277",
      of: ["-9223372036854775808", "9007199254740993"],
    });
  });

  it("leaves everything else as it is", () => {
    const value = {
      safe: Number.MAX_SAFE_INTEGER,
      small: [0, -1, 1.5, 1e300, Number("0.1234567890123456789")],
      text: 'version: 2285274768888503277, "quoted \\" [2285274768888503277]',
      "2285274768888503277": true,
    };
    expect(parseJson(JSON.stringify(value))).toEqual(value);
    expect(parseJson("12345678901234567.25")).toBe(Number("12345678901234567.25"));
    expect(parseJson("1234567890123456789e3")).toBe(Number("1234567890123456789e3"));
  });

  it("refuses what is no JSON", () => {
    expect(() => parseJson("{")).toThrow(SyntaxError);
  });
});
