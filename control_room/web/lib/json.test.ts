import { expect, test } from "vitest";
import { asDigits, asNumber, parseExact } from "@/lib/json";

const SNAPSHOT = "6189302345623451234";

test("a whole number of 63 bits keeps its digits, wherever it stands", () => {
  expect(
    parseExact(`{"table_version": ${SNAPSHOT}, "of": [-${SNAPSHOT},${SNAPSHOT}\n], "last":${SNAPSHOT}}`),
  ).toEqual({
    table_version: SNAPSHOT,
    of: [`-${SNAPSHOT}`, SNAPSHOT],
    last: SNAPSHOT,
  });
});

test("what a double holds stays a number", () => {
  const text = `{"a": 9007199254740991, "b": ${SNAPSHOT}, "c": 1.2345678901234567, "d": 12345678901234567e3, "e": 3}`;
  expect(parseExact(text)).toEqual({
    a: 9007199254740991,
    b: SNAPSHOT,
    c: 1.2345678901234567,
    d: 12345678901234567e3,
    e: 3,
  });
});

test("digits inside text are left alone", () => {
  const value = { say: `"at": ${SNAPSHOT}, \\`, [`"${SNAPSHOT},`]: `:${SNAPSHOT},`, end: "\\" };
  expect(parseExact(JSON.stringify(value))).toEqual(value);
  expect(parseExact(`{"v": ${SNAPSHOT}, "w": ${JSON.stringify(value)}}`)).toEqual({ v: SNAPSHOT, w: value });
});

test("a long text beside a long number is read", () => {
  const log = 'a \\ "line" '.repeat(300_000);
  expect(parseExact(`{"log": ${JSON.stringify(log)}, "v": ${SNAPSHOT}}`)).toEqual({ log, v: SNAPSHOT });
});

test("what is no JSON is refused", () => {
  expect(() => parseExact(`{"v": ${SNAPSHOT}, }`)).toThrow(SyntaxError);
});

test("digits are those of a whole number, and a number is still one when it is rounded", () => {
  expect([asDigits(0), asDigits(SNAPSHOT), asDigits(1.5), asDigits("x"), asDigits(null)]).toEqual([
    "0",
    SNAPSHOT,
    null,
    null,
    null,
  ]);
  expect([asNumber(SNAPSHOT), asNumber("x"), asNumber(3)]).toEqual([Number(SNAPSHOT), null, 3]);
});

test("a fraction of many digits beside a long number is read as it is", () => {
  const text = `{"v": ${SNAPSHOT}, "seconds": 41.0123456789012345678, "small": [1e-1234567890123456, -0.1234567890123456]}`;
  expect(parseExact(text)).toEqual({
    v: SNAPSHOT,
    seconds: Number("41.0123456789012345678"),
    small: [0, -0.1234567890123456],
  });
});
