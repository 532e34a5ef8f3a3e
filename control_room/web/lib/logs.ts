import type { LogChunk } from "@/services/logs";

/** One thing to show: a line of text, a hole where chunks are missing, or the start of another epoch. */
export type LogItem =
  | { kind: "line"; id: string; at: string; stream: string; epoch: number; text: string }
  | { kind: "gap"; id: string; stream: string; epoch: number; bytes: number | null; chunks: number }
  | { kind: "epoch"; id: string; epoch: number };

type Cursor = { seq: number; offset: number; rest: string; restAt: string; line: number };

const encoder = new TextEncoder();
// biome-ignore lint/suspicious/noControlCharactersInRegex: terminal escape sequences are control characters
const ESCAPES = /\u001b\[[0-9;?]*[ -/]*[@-~]|\u001b\][^\u0007]*(?:\u0007|\u001b\\)/g;

/**
 * Joins chunks, in the order they came, into lines per (epoch, stream). A line may be spread over chunks. A jump in
 * `seq` is a gap and is shown as one, with its size from the byte offsets; the same chunk twice counts once. When the
 * beginning was `trimmed` away, each stream starts wherever its first chunk does.
 */
export function assembleLogs(chunks: LogChunk[], trimmed = false): LogItem[] {
  const items: LogItem[] = [];
  const cursors = new Map<string, Cursor>();
  let epoch: number | null = null;
  for (const chunk of chunks) {
    if (chunk.epoch !== epoch) {
      flush(items, cursors, epoch);
      epoch = chunk.epoch;
      items.push({ kind: "epoch", id: `epoch-${epoch}-${items.length}`, epoch });
    }
    take(items, cursors, chunk, trimmed);
  }
  flush(items, cursors, epoch);
  return items;
}

function take(items: LogItem[], cursors: Map<string, Cursor>, chunk: LogChunk, trimmed: boolean): void {
  const key = `${chunk.epoch}/${chunk.stream}`;
  const begin = trimmed ? { seq: chunk.seq, offset: chunk.offset } : { seq: 0, offset: 0 };
  const cursor = cursors.get(key) ?? { ...begin, rest: "", restAt: chunk.at, line: 0 };
  cursors.set(key, cursor);
  if (chunk.seq < cursor.seq) return;
  if (chunk.seq > cursor.seq) {
    endRest(items, cursor, chunk);
    items.push({
      kind: "gap",
      id: `${key}/gap-${chunk.seq}`,
      stream: chunk.stream,
      epoch: chunk.epoch,
      bytes: chunk.offset > cursor.offset ? chunk.offset - cursor.offset : null,
      chunks: chunk.seq - cursor.seq,
    });
  }
  cursor.seq = chunk.seq + 1;
  cursor.offset = chunk.offset + encoder.encode(chunk.text).length;
  pushLines(items, cursor, chunk);
}

function pushLines(items: LogItem[], cursor: Cursor, chunk: LogChunk): void {
  const lines = (cursor.rest + chunk.text).split("\n");
  const startedAt = cursor.rest === "" ? chunk.at : cursor.restAt;
  cursor.rest = lines.pop() ?? "";
  cursor.restAt = lines.length > 0 ? chunk.at : startedAt;
  for (const [index, text] of lines.entries()) {
    items.push(lineItem(cursor, chunk, index === 0 ? startedAt : chunk.at, text));
  }
}

function endRest(items: LogItem[], cursor: Cursor, source: { stream: string; epoch: number }): void {
  if (cursor.rest === "") return;
  items.push(lineItem(cursor, source, cursor.restAt, cursor.rest));
  cursor.rest = "";
}

function flush(items: LogItem[], cursors: Map<string, Cursor>, epoch: number | null): void {
  for (const [key, cursor] of cursors) {
    const separator = key.indexOf("/");
    const source = { epoch: Number(key.slice(0, separator)), stream: key.slice(separator + 1) };
    if (source.epoch === epoch) endRest(items, cursor, source);
  }
}

function lineItem(
  cursor: Cursor,
  source: { stream: string; epoch: number },
  at: string,
  text: string,
): LogItem {
  cursor.line += 1;
  const id = `${source.epoch}/${source.stream}/${cursor.line}`;
  return { kind: "line", id, at, stream: source.stream, epoch: source.epoch, text: plainText(text) };
}

/** What a terminal would have left standing: no colour codes, and after a carriage return only the last rewrite. */
export function plainText(text: string): string {
  const bare = text.replace(ESCAPES, "").replace(/\r+$/, "");
  const rewritten = bare.lastIndexOf("\r");
  return rewritten === -1 ? bare : bare.slice(rewritten + 1);
}
