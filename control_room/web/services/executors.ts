import { queryOptions } from "@tanstack/react-query";
import { getJson, type Schemas } from "@/services/http";

export type Executor = Schemas["Executor"];

export const executorKeys = { all: ["executors"] as const };

export function executorsQuery() {
  return queryOptions({
    queryKey: executorKeys.all,
    queryFn: async ({ signal }): Promise<Executor[]> =>
      (await getJson<Schemas["Executors"]>("/executors", {}, signal)).items,
    refetchInterval: 5000,
  });
}
