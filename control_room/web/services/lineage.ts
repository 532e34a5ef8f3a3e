import { queryOptions } from "@tanstack/react-query";
import { getJson, recheckAfter, type Schemas } from "@/services/http";

export type RunLineage = Schemas["RunLineage"];
export type LineageEvent = Schemas["LineageEvent"];
export type DataRuns = Schemas["DataRuns"];

export const lineageKeys = { of: (run_id: string) => ["lineage", run_id] as const };

const LAST = new Set(["COMPLETE", "FAIL", "ABORT"]);

/** Whether the reactor has told of the run's end; it does so some seconds after it. */
export function isWhole(lineage: RunLineage): boolean {
  return lineage.events.some((event) => event.run_id === lineage.run_id && LAST.has(event.event_type));
}

export function lineageQuery(run_id: string) {
  return queryOptions({
    queryKey: lineageKeys.of(run_id),
    queryFn: ({ signal }) => getJson<RunLineage>(`/runs/${run_id}/lineage`, {}, signal),
    refetchInterval: ({ state }) =>
      state.data && !state.error ? (isWhole(state.data) ? false : 5000) : recheckAfter(state.error),
  });
}

export function dataRunsQuery(namespace: string, name: string, cursor: string | null) {
  return queryOptions({
    queryKey: ["data-runs", namespace, name, cursor] as const,
    queryFn: ({ signal }) => getJson<DataRuns>("/lineage/runs", { namespace, name, cursor }, signal),
    refetchInterval: ({ state }) => recheckAfter(state.error) || 15_000,
  });
}
