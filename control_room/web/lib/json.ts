export type JsonObject = { [key: string]: unknown };

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function asObject(value: unknown): JsonObject {
  return isObject(value) ? value : {};
}

export function asArray(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

export function asText(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

/** A number; one that parseExact kept as text, rounded. */
export function asNumber(value: unknown): number | null {
  const number = typeof value === "string" && WHOLE.test(value) ? Number(value) : value;
  return typeof number === "number" && Number.isFinite(number) ? number : null;
}

/** The digits of a whole number, such as a table's version: none of them may be rounded away. */
export function asDigits(value: unknown): string | null {
  if (typeof value === "number") return Number.isSafeInteger(value) ? String(value) : null;
  return typeof value === "string" && WHOLE.test(value) ? value : null;
}

export function isEmpty(value: unknown): boolean {
  if (value === null || value === undefined) return true;
  if (Array.isArray(value)) return value.length === 0;
  return isObject(value) && Object.keys(value).length === 0;
}

const WHOLE = /^-?\d+$/;
const LONG_NUMBER = /[:[,]\s*-?\d{16,}\s*[,}\]]/;
// Numbers whole, with fraction and exponent: digits after a point are no number by themselves.
const STRING_OR_NUMBER = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/**
 * JSON with its whole numbers exact: those that a double cannot hold, as an Iceberg snapshot id of 63 bits, become text.
 * Throws a SyntaxError like JSON.parse.
 */
export function parseExact(text: string): unknown {
  if (!LONG_NUMBER.test(text)) return JSON.parse(text);
  const quoted = text.replace(STRING_OR_NUMBER, (found) =>
    WHOLE.test(found) && !Number.isSafeInteger(Number(found)) ? `"${found}"` : found,
  );
  return JSON.parse(quoted);
}
