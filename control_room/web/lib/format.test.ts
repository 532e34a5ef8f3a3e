import { describe, expect, test } from "vitest";
import {
  elapsed,
  formatBytes,
  formatCount,
  formatDuration,
  formatRelative,
  formatTicking,
  formatValue,
  shortHash,
} from "@/lib/format";

describe("durations", () => {
  test.each([
    [0, "0 ms"],
    [340, "340 ms"],
    [999.6, "1000 ms"],
    [4200, "4.2 s"],
    [59_940, "59.9 s"],
    [59_960, "1 m 00 s"],
    [185_000, "3 m 05 s"],
    [7_440_000, "2 h 04 m"],
    [262_800_000, "3 d 01 h"],
    [-5, "0 ms"],
    [null, "–"],
  ])("%s ms reads %s", (ms, text) => expect(formatDuration(ms)).toBe(text));

  test("a running figure moves by whole seconds", () => {
    expect(formatTicking(12_900)).toBe("12 s");
    expect(formatTicking(75_400)).toBe("1 m 15 s");
  });

  test("an open end counts up to now, and nothing is counted before the start", () => {
    const now = Date.parse("2026-01-01T00:01:00Z");
    expect(elapsed("2026-01-01T00:00:00Z", null, now)).toBe(60_000);
    expect(elapsed("2026-01-01T00:00:00Z", "2026-01-01T00:00:10Z", now)).toBe(10_000);
    expect(elapsed(null, null, now)).toBeNull();
  });
});

test.each([
  [0, "0 B"],
  [1023, "1023 B"],
  [1536, "1.5 KiB"],
  [104_857_600, "100 MiB"],
  [4_294_967_296, "4.0 GiB"],
  [null, "–"],
])("%s bytes read %s", (bytes, text) => expect(formatBytes(bytes)).toBe(text));

test.each([
  ["2026-01-01T00:00:58Z", "just now"],
  ["2026-01-01T00:00:20Z", "40 s ago"],
  ["2025-12-31T23:51:00Z", "10 min ago"],
  ["2025-12-31T21:01:00Z", "3 h ago"],
  ["2025-12-25T00:01:00Z", "7 d ago"],
  ["2026-01-01T00:02:00Z", "in 1 min"],
  ["not a time", "–"],
])("%s is %s", (at, text) => expect(formatRelative(at, Date.parse("2026-01-01T00:01:00Z"))).toBe(text));

test("counts are grouped, and zero is not nothing", () => {
  expect(formatCount(336_776)).toBe("336,776");
  expect(formatCount(0)).toBe("0");
  expect(formatCount(null)).toBe("–");
});

test("values of any type fit on one line", () => {
  expect(formatValue(0)).toBe("0");
  expect(formatValue(0.25)).toBe("0.25");
  expect(formatValue(false)).toBe("false");
  expect(formatValue({ a: [1] })).toBe('{"a":[1]}');
  expect(formatValue(null)).toBe("–");
});

test("a hash is cut to its prefix", () => expect(shortHash("0123456789abcdef")).toBe("0123456789ab"));
