import { queryOptions } from "@tanstack/react-query";
import { getJson, type Schemas } from "@/services/http";

export type Template = Schemas["Template"];

export function templatesQuery() {
  return queryOptions({
    queryKey: ["templates"] as const,
    queryFn: async ({ signal }): Promise<Template[]> =>
      (await getJson<Schemas["Templates"]>("/templates", {}, signal)).items,
    staleTime: 60_000,
  });
}
