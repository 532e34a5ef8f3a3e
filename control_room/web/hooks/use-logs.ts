"use client";

import { useEffect, useRef, useState } from "react";
import { LOG_PAGE, type LogChunk, readLogs } from "@/services/logs";

export type Logs = { chunks: LogChunk[]; trimmed: boolean; loading: boolean; error: Error | null };

const POLL_MS = 1000;
const RETRY_MS = 3000;
const MOST_CHARACTERS = 4_000_000;
const NOTHING: Logs = { chunks: [], trimmed: false, loading: true, error: null };

/**
 * Reads a run's logs to their end and, while the run lives, on and on. Only the last few megabytes are kept. A read
 * that began while the run was alive is followed by another, so that the last words of a run are never missed.
 */
export function useLogs(run_id: string, live: boolean): Logs {
  const [logs, setLogs] = useState<Logs>(NOTHING);
  const alive = useRef(live);
  alive.current = live;
  useEffect(() => {
    setLogs(NOTHING);
    const abort = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let cursor: string | null = null;

    const read = async () => {
      const wasAlive = alive.current;
      try {
        const page = await readLogs(run_id, cursor, abort.signal);
        if (abort.signal.aborted) return;
        cursor = page.next ?? cursor;
        const more = page.items.length >= LOG_PAGE;
        setLogs((before) => append(before, page.items, more));
        if (more) timer = setTimeout(read, 0);
        else if (wasAlive) timer = setTimeout(read, POLL_MS);
      } catch (error) {
        if (abort.signal.aborted) return;
        setLogs((before) => ({ ...before, loading: false, error: error as Error }));
        timer = setTimeout(read, RETRY_MS);
      }
    };
    void read();
    return () => {
      abort.abort();
      clearTimeout(timer);
    };
  }, [run_id]);
  return logs;
}

function append(before: Logs, items: LogChunk[], loading: boolean): Logs {
  if (items.length === 0 && before.loading === loading && before.error === null) return before;
  const chunks = [...before.chunks, ...items];
  const first = firstKept(chunks);
  return { chunks: chunks.slice(first), trimmed: before.trimmed || first > 0, loading, error: null };
}

function firstKept(chunks: LogChunk[]): number {
  let characters = 0;
  for (let index = chunks.length - 1; index >= 0; index -= 1) {
    characters += chunks[index]?.text.length ?? 0;
    if (characters > MOST_CHARACTERS) return index + 1;
  }
  return 0;
}
