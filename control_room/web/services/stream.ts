import type { QueryClient } from "@tanstack/react-query";
import { asText, isObject, parseExact } from "@/lib/json";
import { artifactKeys } from "@/services/artifacts";
import { buildUrl, type Schemas } from "@/services/http";
import { limitsKeys } from "@/services/limits";
import { lineageKeys } from "@/services/lineage";
import { manifestKeys } from "@/services/provenance";
import { runEventKeys } from "@/services/run-events";
import { type RunDetail, runKeys } from "@/services/runs";

export type StreamEvent = Schemas["StreamEvent"];
export type StreamStatus = "connecting" | "live" | "reconnecting" | "offline";

/** The part of EventSource this file needs, so that tests bring their own. */
export type Source = {
  readonly readyState: number;
  addEventListener: (type: string, listener: (event: Event) => void) => void;
  close: () => void;
};
export type OpenSource = (url: string) => Source;

const CLOSED = 2;
const RETRY_MS = [1000, 2000, 5000, 10_000];

export function toStreamEvent(data: string): StreamEvent | null {
  try {
    const event = parseExact(data);
    return isObject(event) && asText(event.run_id) ? (event as StreamEvent) : null;
  } catch {
    return null;
  }
}

type Listeners = {
  onEvent: (event: StreamEvent) => void;
  onStatus: (status: StreamStatus) => void;
  onGap: () => void;
};

/**
 * Follows the event stream until closed. The browser reconnects and resumes by Last-Event-ID by itself; after an
 * answer it gives up on (a restart, a lost session) a new source is opened with back-off. `onGap` says, as each source
 * begins, that events may have been missed: at the first one, what came after the page had read its data.
 */
export function follow(listeners: Listeners, open: OpenSource = (url) => new EventSource(url)): () => void {
  let source: Source;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let failures = 0;
  let closed = false;

  const receive = (message: Event) => {
    const event = toStreamEvent(String((message as MessageEvent).data));
    if (event) listeners.onEvent(event);
  };
  const connect = () => {
    let begun = false;
    source = open(buildUrl("/events/stream"));
    source.addEventListener("open", () => {
      if (!begun) listeners.onGap();
      begun = true;
      failures = 0;
      listeners.onStatus("live");
    });
    source.addEventListener("message", receive);
    source.addEventListener("error", retry);
  };
  const retry = () => {
    if (closed) return;
    if (source.readyState !== CLOSED) return listeners.onStatus("reconnecting");
    source.close();
    failures += 1;
    listeners.onStatus("offline");
    timer = setTimeout(connect, RETRY_MS[Math.min(failures, RETRY_MS.length) - 1]);
  };

  listeners.onStatus("connecting");
  connect();
  return () => {
    closed = true;
    clearTimeout(timer);
    source.close();
  };
}

/** Gathers events and hands them on at most once per `ms`, the first of a burst at once. */
export function batch(
  apply: (events: StreamEvent[]) => void,
  ms: number,
): { add: (event: StreamEvent) => void; stop: () => void } {
  let pending: StreamEvent[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
  const flush = () => {
    timer = undefined;
    if (pending.length === 0) return;
    const events = pending;
    pending = [];
    timer = setTimeout(flush, ms);
    apply(events);
  };
  return {
    add: (event) => {
      pending.push(event);
      if (timer === undefined) flush();
    },
    stop: () => clearTimeout(timer),
  };
}

/** Marks what the events touched as stale; what is on the screen is read again, the rest when it is next shown. */
export function applyEvents(client: QueryClient, events: StreamEvent[]): void {
  const touched = new Set(events.flatMap((event) => [event.run_id, event.pipeline_run_id ?? event.run_id]));
  void client.invalidateQueries({ queryKey: runKeys.lists });
  void client.invalidateQueries({
    queryKey: runKeys.details,
    predicate: (query) => concerns(query.state.data as RunDetail | undefined, touched),
  });
  for (const run_id of touched) {
    for (const queryKey of [
      runKeys.tasks(run_id),
      runKeys.why(run_id),
      runEventKeys.of(run_id),
      artifactKeys.of(run_id),
      limitsKeys.explained(run_id),
      lineageKeys.of(run_id),
      manifestKeys.of(run_id),
    ]) {
      void client.invalidateQueries({ queryKey });
    }
  }
}

function concerns(run: RunDetail | undefined, touched: ReadonlySet<string>): boolean {
  if (!run) return true;
  if (touched.has(run.run_id)) return true;
  return run.depends_on.some((parent) => touched.has(parent.run_id));
}
