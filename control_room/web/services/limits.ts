import { queryOptions } from "@tanstack/react-query";
import { getJson, type Schemas } from "@/services/http";

export type Budget = Schemas["Budget"];
export type BudgetWarning = Schemas["BudgetWarning"];
export type Cap = Schemas["Cap"];
export type CapEntry = Schemas["CapEntry"];

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

/** As people name it: `platform`, `default`, `default/nightly`. */
export function scopeText(of: { workspace: string | null; template_name: string | null }): string {
  return [of.workspace, of.template_name].filter((word) => word !== null).join("/") || "platform";
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
