import { getJson, type Schemas } from "@/services/http";

export type LogChunk = Schemas["LogChunk"];
export type LogPage = { items: LogChunk[]; next: string | null };

export const LOG_PAGE = 200;

/** Chunks of all streams after a cursor; `next` is where to go on, also while the run still writes. */
export async function readLogs(run_id: string, after: string | null, signal: AbortSignal): Promise<LogPage> {
  const page = await getJson<Schemas["LogPage"]>(`/runs/${run_id}/logs`, { after, limit: LOG_PAGE }, signal);
  return { items: page.items, next: page.next };
}
