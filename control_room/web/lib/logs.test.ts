import { describe, expect, test } from "vitest";
import { assembleLogs, type LogItem, plainText } from "@/lib/logs";
import type { LogChunk } from "@/services/logs";

const AT = "2026-01-01T00:00:00Z";

function chunk(seq: number, offset: number, text: string, more: Partial<LogChunk> = {}): LogChunk {
  return { epoch: 1, stream: "stdout", seq, offset, at: AT, text, ...more };
}

function shown(items: LogItem[]): string[] {
  return items.map((item) => {
    if (item.kind === "line") return item.text;
    return item.kind === "gap" ? `gap ${item.chunks} ${item.bytes}` : `epoch ${item.epoch}`;
  });
}

describe("chunks become lines", () => {
  test("a line may be spread over chunks, and the last one may be open", () => {
    const items = assembleLogs([chunk(0, 0, "one\ntw"), chunk(1, 6, "o\nthr"), chunk(2, 11, "ee")]);
    expect(shown(items)).toEqual(["epoch 1", "one", "two", "three"]);
  });

  test("streams that alternate do not cut each other's lines", () => {
    const items = assembleLogs([
      chunk(0, 0, "he"),
      chunk(0, 0, "warning\n", { stream: "stderr" }),
      chunk(1, 2, "llo\n"),
    ]);
    expect(shown(items)).toEqual(["epoch 1", "warning", "hello"]);
  });

  test("the same chunk twice counts once", () => {
    expect(shown(assembleLogs([chunk(0, 0, "one\n"), chunk(0, 0, "one\n")]))).toEqual(["epoch 1", "one"]);
  });

  test("missing chunks are a gap with their size in bytes, also where text is not ASCII", () => {
    const items = assembleLogs([chunk(0, 0, "Ä\n"), chunk(3, 103, "end\n")]);
    expect(shown(items)).toEqual(["epoch 1", "Ä", "gap 2 100", "end"]);
  });

  test("a stream that does not begin at its beginning has a gap, unless the beginning was trimmed here", () => {
    const late = [chunk(4, 400, "late\n")];
    expect(shown(assembleLogs(late))).toEqual(["epoch 1", "gap 4 400", "late"]);
    expect(shown(assembleLogs(late, true))).toEqual(["epoch 1", "late"]);
  });

  test("each epoch is announced, and starts its streams anew", () => {
    const items = assembleLogs([chunk(0, 0, "first"), chunk(0, 0, "second\n", { epoch: 3 })]);
    expect(shown(items)).toEqual(["epoch 1", "first", "epoch 3", "second"]);
  });

  test("every item has an id of its own, the same each time", () => {
    const chunks = [chunk(0, 0, "a\nb\n"), chunk(2, 9, "c\n"), chunk(0, 0, "d\n", { epoch: 2 })];
    const ids = assembleLogs(chunks).map((item) => item.id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(assembleLogs(chunks).map((item) => item.id)).toEqual(ids);
  });
});

test.each([
  ["\u001b[32mOK\u001b[0m done", "OK done"],
  ["\u001b]8;;http://x\u0007link", "link"],
  [" 10%\r 50%\r100%", "100%"],
  ["windows\r", "windows"],
])("a terminal's %j reads %j", (text, plain) => expect(plainText(text)).toBe(plain));
