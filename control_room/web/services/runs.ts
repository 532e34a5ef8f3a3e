import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { asArray, asDigits, asNumber, asObject, asText, isObject, type JsonObject } from "@/lib/json";
import { isTerminal } from "@/lib/states";
import { getJson, recheckAfter, type Schemas, sendJson } from "@/services/http";

type RunWire = Schemas["Run"];
type RunDetailWire = Schemas["RunDetail"];
type RunPageWire = Schemas["RunPage"];

export type RunError = {
  class: string;
  code: string;
  message: string;
  trace: string | null;
  position: unknown;
};
export type Progress = {
  fraction: number | null;
  message: string | null;
  current: number | null;
  total: number | null;
  unit: string | null;
};
export type RunInput = {
  name: string;
  kind: string;
  format: string | null;
  uri: string | null;
  /** All digits of it: a snapshot id has more than a number holds. */
  version: string | null;
  artifact_id: string | null;
  sha256: string | null;
  from_run_id: string | null;
};
export type RunOutput = { name: string; format: string; mode: string; uri: string };
export type TaskDot = { task_key: string; number: number; state: string };

export type Run = Omit<RunWire, "error" | "progress" | "inputs" | "outputs"> & {
  error: RunError | null;
  progress: Progress | null;
  inputs: RunInput[];
  outputs: RunOutput[];
};
export type Attempt = Omit<Schemas["Attempt"], "error"> & { error: RunError | null };
export type Publication = Omit<Schemas["Publication"], "table_version"> & { table_version: string | null };
export type Dependency = Schemas["Dependency"];
export type CapEntry = Schemas["CapEntry"];
export type Why = Schemas["Why"];
export type RunDetail = Run & {
  attempts: Attempt[];
  children: Run[];
  depends_on: Dependency[];
  publications: Publication[];
  cap_ledger: CapEntry[];
};
export type RunPage = { items: Run[]; next_cursor: string | null };
export type RunFilters = {
  state: readonly string[];
  reason: string | null;
  kind: string | null;
  template: string | null;
  q: string | null;
  top_level: boolean;
  cursor: string | null;
};

export const PAGE_SIZE = 50;

export function toRun(wire: RunWire): Run {
  return {
    ...wire,
    error: toError(wire.error),
    progress: toProgress(wire.progress),
    inputs: asArray(wire.inputs).map(toInput),
    outputs: asArray(wire.outputs).map(toOutput),
  };
}

export function toRunDetail(wire: RunDetailWire): RunDetail {
  return {
    ...toRun(wire),
    attempts: wire.attempts.map((attempt) => ({ ...attempt, error: toError(attempt.error) })),
    children: wire.children.map(toRun),
    depends_on: wire.depends_on,
    publications: wire.publications.map(toPublication),
    cap_ledger: wire.cap_ledger,
  };
}

export function toPublication(wire: Schemas["Publication"]): Publication {
  return { ...wire, table_version: asDigits(wire.table_version) };
}

export function toError(wire: unknown): RunError | null {
  if (!isObject(wire)) return null;
  return {
    class: asText(wire.class) ?? "internal",
    code: asText(wire.code) ?? "unknown",
    message: asText(wire.message) ?? "No message was given.",
    trace: asText(wire.trace),
    position: wire.position ?? null,
  };
}

export function toProgress(wire: unknown): Progress | null {
  if (!isObject(wire)) return null;
  const current = asNumber(wire.current);
  const total = asNumber(wire.total);
  const counted = current !== null && total !== null && total > 0 ? current / total : null;
  const fraction = asNumber(wire.fraction) ?? counted;
  return {
    fraction: fraction === null ? null : Math.min(1, Math.max(0, fraction)),
    message: asText(wire.message),
    current,
    total,
    unit: asText(wire.unit),
  };
}

export function toInput(item: unknown): RunInput {
  const wire = asObject(item);
  return {
    name: asText(wire.name) ?? "",
    kind: asText(wire.kind) ?? "table",
    format: asText(wire.format),
    uri: asText(wire.uri),
    version: asDigits(wire.version),
    artifact_id: asText(wire.artifact_id),
    sha256: asText(wire.sha256),
    from_run_id: asText(wire.from_run_id),
  };
}

function toOutput(item: unknown): RunOutput {
  const wire = asObject(item);
  const text = (name: string) => asText(wire[name]) ?? "";
  return { name: text("name"), format: text("format"), mode: text("mode"), uri: text("uri") };
}

export const runKeys = {
  all: ["runs"] as const,
  lists: ["runs", "list"] as const,
  list: (filters: RunFilters) => ["runs", "list", filters] as const,
  tasks: (pipeline: string) => ["runs", "tasks", pipeline] as const,
  details: ["runs", "detail"] as const,
  detail: (ref: string) => ["runs", "detail", ref] as const,
  why: (run_id: string) => ["runs", "why", run_id] as const,
};

export function runsQuery(filters: RunFilters) {
  return queryOptions({
    queryKey: runKeys.list(filters),
    queryFn: async ({ signal }): Promise<RunPage> => {
      const query = { ...filters, top_level: filters.top_level ? true : null, limit: PAGE_SIZE };
      const page = await getJson<RunPageWire>("/runs", query, signal);
      return { items: page.items.map(toRun), next_cursor: page.next_cursor };
    },
    placeholderData: keepPreviousData,
    // Events tell of changed states; progress moves between events, so a page with running work is read again.
    refetchInterval: ({ state }) =>
      recheckAfter(state.error) || (state.data?.items.some((run) => run.state === "running") ? 3000 : 30_000),
  });
}

/** The tasks of one pipeline, for its row of dots. What has ended stays as it is, so it is asked once. */
export function pipelineTasksQuery(pipeline: Run) {
  return queryOptions({
    queryKey: runKeys.tasks(pipeline.run_id),
    queryFn: async ({ signal }): Promise<TaskDot[]> => {
      const page = await getJson<RunPageWire>(
        "/runs",
        { pipeline: pipeline.run_id, limit: PAGE_SIZE },
        signal,
      );
      const tasks = page.items.map((run) => ({
        task_key: run.task_key ?? "",
        number: run.number,
        state: run.state,
      }));
      return tasks.sort((a, b) => a.number - b.number);
    },
    enabled: pipeline.kind === "pipeline",
    staleTime: isTerminal(pipeline.state) ? Number.POSITIVE_INFINITY : 0,
  });
}

export function runQuery(ref: string) {
  return queryOptions({
    queryKey: runKeys.detail(ref),
    queryFn: async ({ signal }): Promise<RunDetail> =>
      toRunDetail(await getJson<RunDetailWire>(`/runs/${encodeURIComponent(ref)}`, {}, signal)),
    refetchInterval: ({ state }) => {
      const run = state.data;
      if (!run || state.error) return recheckAfter(state.error);
      if (isTerminal(run.state)) return false;
      return run.state === "running" ? 2000 : 10_000;
    },
  });
}

export function whyQuery(run_id: string) {
  return queryOptions({
    queryKey: runKeys.why(run_id),
    queryFn: ({ signal }) => getJson<Why>(`/runs/${run_id}/why`, {}, signal),
    refetchInterval: 5000,
  });
}

/** An empty reason is left out, so that the server's own words stand. */
export async function cancelRun(run_id: string, reason: string, force: boolean): Promise<Run> {
  const body = reason === "" ? { force } : { reason, force };
  return toRun(await sendJson<RunWire>("POST", `/runs/${run_id}/cancel`, body));
}

/** newest: of the newest version of the template, else of the run's own; allTasks: also what had succeeded in a pipeline. */
export type RetryChoice = { newest: boolean; allTasks: boolean };

/** The same key again gives the same new run: a second click, or an answer that got lost, makes no second one. */
export async function retryRun(run_id: string, key: string, choice: RetryChoice): Promise<Run> {
  const body = {
    // Another choice is another request, and needs a key of its own.
    idempotency_key: `${key}${choice.newest ? "-newest" : ""}${choice.allTasks ? "-all" : ""}`,
    template: choice.newest ? "latest" : "same",
    failed_only: !choice.allTasks,
  };
  return toRun(await sendJson<RunWire>("POST", `/runs/${run_id}/retry`, body));
}

/** One row of `result.nodes`, as the dbt executor reports models and tests. */
export type ResultNode = {
  name: string;
  type: string;
  status: string;
  rows: number | null;
  seconds: number | null;
  message: string | null;
  /** Done by an earlier attempt, which this run went on from. */
  kept: boolean;
  /** The first rows that a failed test found. */
  failingRows: JsonObject[];
  /** The artifact that has more of them. */
  failingRowsFile: string | null;
};

export function resultNodes(result: JsonObject | null): ResultNode[] {
  return asArray(result?.nodes).filter(isObject).map(toNode);
}

function toNode(wire: JsonObject): ResultNode {
  return {
    name: asText(wire.name) ?? asText(wire.unique_id) ?? "",
    type: asText(wire.type) ?? asText(wire.resource_type) ?? "",
    status: asText(wire.status) ?? "",
    rows: asNumber(wire.rows),
    seconds: asNumber(wire.seconds) ?? asNumber(wire.execution_time),
    message: asText(wire.message),
    kept: wire.kept === true,
    failingRows: toRecords(wire.failing_rows),
    failingRowsFile: isObject(wire.failing_rows) ? asText(wire.failing_rows.artifact) : null,
  };
}

/** Columns and rows as records, in the order of the columns. */
function toRecords(wire: unknown): JsonObject[] {
  if (!isObject(wire)) return [];
  const columns = asArray(wire.columns).map(String);
  return asArray(wire.rows).map((row) =>
    Object.fromEntries(columns.map((name, at) => [name, asArray(row)[at]])),
  );
}
