import { expect, test } from "vitest";
import { readCode } from "@/services/auth";

test.each([
  ["#code=abc-DEF_123", "abc-DEF_123"],
  ["http://127.0.0.1:8000/login/#code=abc", "abc"],
  ["  abc123  ", "abc123"],
  ["#code=", null],
  ["#other=1", null],
  ["", null],
  ["two words", null],
  ["<script>", null],
])("%j holds the code %j", (text, code) => expect(readCode(text)).toBe(code));
