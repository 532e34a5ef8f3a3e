import { queryOptions } from "@tanstack/react-query";
import { getJson, type Schemas } from "@/services/http";

export type Info = Schemas["Info"];

export function infoQuery() {
  return queryOptions({
    queryKey: ["info"] as const,
    queryFn: ({ signal }) => getJson<Info>("/info", {}, signal),
    staleTime: 300_000,
  });
}
