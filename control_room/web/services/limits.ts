import { queryOptions } from "@tanstack/react-query";
import { isTerminal } from "@/lib/states";
import { getJson, recheckAfter, type Schemas } from "@/services/http";
import { type Run, runKeys, toRun } from "@/services/runs";

export type Budget = Schemas["Budget"];
export type BudgetWarning = Schemas["BudgetWarning"];
export type Cap = Schemas["Cap"];
export type CapEntry = Schemas["CapEntry"];
export type Enforcement = Schemas["Enforcement"];
export type CapsExplained = Schemas["CapsExplained"];
export type ExplainedCap = Schemas["ExplainedCap"];
export type CountedBudget = Schemas["CountedBudget"];

export const limitsKeys = { explained: (run_id: string) => ["limits", run_id] as const };

export function budgetsQuery() {
  return queryOptions({
    queryKey: ["budgets"] as const,
    queryFn: async ({ signal }): Promise<Schemas["Budgets"]> =>
      getJson<Schemas["Budgets"]>("/budgets", {}, signal),
    refetchInterval: 5000,
  });
}

export function capsQuery() {
  return queryOptions({
    queryKey: ["caps"] as const,
    queryFn: async ({ signal }): Promise<Schemas["Caps"]> => getJson<Schemas["Caps"]>("/caps", {}, signal),
    refetchInterval: 10_000,
  });
}

/** Which caps and budgets hold for a run. They move while it works: others may tighten them, and budgets fill. */
export function explainQuery(run_id: string, state: string) {
  return queryOptions({
    queryKey: limitsKeys.explained(run_id),
    queryFn: ({ signal }) => getJson<CapsExplained>(`/runs/${run_id}/caps`, {}, signal),
    refetchInterval: (query) => recheckAfter(query.state.error) || (isTerminal(state) ? false : 5000),
  });
}

/** The newest runs that a budget holds back, and whether there are more. */
export function heldQuery() {
  return queryOptions({
    queryKey: [...runKeys.lists, "held"] as const,
    queryFn: async ({ signal }): Promise<{ items: Run[]; more: boolean }> => {
      const asked = { state: "waiting", reason: "budget_exhausted", limit: 20 };
      const page = await getJson<Schemas["RunPage"]>("/runs", asked, signal);
      return { items: page.items.map(toRun), more: page.next_cursor !== null };
    },
    refetchInterval: 5000,
  });
}

/** As people name it: `platform`, `default`, `default/nightly`. */
export function scopeText(of: { workspace: string | null; template_name: string | null }): string {
  return [of.workspace, of.template_name].filter((word) => word !== null).join("/") || "platform";
}

/** What is done at a limit, as far as this scope says it. */
export function actionText(cap: Pick<Cap, "action" | "grace_seconds">): string {
  const grace = cap.grace_seconds === null ? null : `after ${cap.grace_seconds} s`;
  return [cap.action, grace].filter((word) => word !== null).join(" ") || "cancel, if no scope says more";
}

/** Shares of the limit in percent, together at most 100; of a limit of 0 all of it is used. */
export function shares(budget: Pick<Budget, "limit" | "used" | "reserved">): {
  used: number;
  reserved: number;
} {
  if (budget.limit <= 0) return { used: 100, reserved: 0 };
  const used = Math.min(100, (100 * budget.used) / budget.limit);
  return { used, reserved: Math.min(100 - used, (100 * budget.reserved) / budget.limit) };
}
