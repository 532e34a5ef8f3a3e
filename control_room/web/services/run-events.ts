import { queryOptions } from "@tanstack/react-query";
import { isObject } from "@/lib/json";
import { getJson, type Schemas } from "@/services/http";

type RunEventWire = Schemas["RunEvent"];
export type RunEvent = Omit<RunEventWire, "actor"> & { actor: string };

export const runEventKeys = { of: (run_id: string) => ["run-events", run_id] as const };

export function toRunEvent(wire: RunEventWire): RunEvent {
  return { ...wire, actor: toActor(wire.actor) };
}

function toActor(actor: unknown): string {
  if (typeof actor === "string") return actor.replace(":", " ");
  if (!isObject(actor)) return "system";
  return String(actor.name ?? actor.kind ?? actor.type ?? JSON.stringify(actor));
}

const PAGE = 500;

export type ChainCheck = { ok: true } | { ok: false; seq: number };

/** Whether each event names the hash of the one before it. The server holds the bytes; this sees the links. */
export function checkLinks(events: RunEvent[]): ChainCheck {
  for (const [index, event] of events.entries()) {
    const before = events[index - 1];
    if (before && (event.prev_hash !== before.hash || event.seq !== before.seq + 1))
      return { ok: false, seq: event.seq };
  }
  return { ok: true };
}

export function runEventsQuery(run_id: string) {
  return queryOptions({
    queryKey: runEventKeys.of(run_id),
    queryFn: async ({ signal }): Promise<RunEvent[]> => readAll(run_id, signal),
  });
}

async function readAll(run_id: string, signal: AbortSignal): Promise<RunEvent[]> {
  const events: RunEvent[] = [];
  for (;;) {
    const after_seq = events.at(-1)?.seq;
    const page = await getJson<Schemas["RunEvents"]>(
      `/runs/${run_id}/events`,
      { after_seq, limit: PAGE },
      signal,
    );
    events.push(...page.items.map(toRunEvent));
    if (page.items.length < PAGE) return events;
  }
}
