import type { UrlChange } from "@/hooks/use-url";
import { isRunState } from "@/lib/states";
import type { RunFilters } from "@/services/runs";

/** Reads the filters from the address. What is not a filter, or not a state, is left out rather than sent on. */
export function readFilters(params: URLSearchParams): RunFilters {
  return {
    state: params.getAll("state").filter(isRunState),
    reason: params.get("reason"),
    kind: params.get("kind"),
    template: params.get("template"),
    q: params.get("q"),
    top_level: params.get("top_level") !== "false",
    cursor: params.get("cursor"),
  };
}

export function isFiltered(filters: RunFilters): boolean {
  return filters.state.length > 0 || Boolean(filters.reason || filters.kind || filters.template || filters.q);
}

export const NO_FILTERS: UrlChange = {
  state: [],
  reason: null,
  kind: null,
  template: null,
  q: null,
  cursor: null,
};

export function toggleState(filters: RunFilters, state: string): UrlChange {
  const on = filters.state.includes(state);
  const next = on ? filters.state.filter((item) => item !== state) : [...filters.state, state];
  return { state: next, cursor: null };
}

/** `42`, `#42` and a run id are addresses of a run rather than words to search for. */
export function readRunRef(text: string): string | null {
  const bare = text.trim().replace(/^#/, "");
  if (/^\d{1,18}$/.test(bare)) return bare;
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(bare) ? bare.toLowerCase() : null;
}
