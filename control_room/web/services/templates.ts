import { queryOptions } from "@tanstack/react-query";
import { asArray, asObject, asText, type JsonObject } from "@/lib/json";
import { getJson, type Schemas } from "@/services/http";

export type Template = Schemas["TemplateDetail"];

/** Task key to the keys it waits for, from the `tasks` of a pipeline's spec. */
export type TaskParents = ReadonlyMap<string, string[]>;

export function toTaskParents(template: Template): TaskParents {
  const tasks = Object.entries(asObject(template.spec.tasks));
  return new Map(tasks.map(([key, task]) => [key, parentsOf(asObject(task))]));
}

/** Those that it depends on, and those whose outputs it reads (`task.output`). */
function parentsOf(task: JsonObject): string[] {
  const sources = Object.values(asObject(task.inputs)).map((source) => asText(source)?.split(".")[0]);
  return [...new Set([...asArray(task.depends_on).map(asText), ...sources])].flatMap(
    (parent) => parent ?? [],
  );
}

/** A version of a template never changes, so it is asked once. */
export function taskParentsQuery(name: string, version: number) {
  return queryOptions({
    queryKey: ["templates", name, version, "parents"] as const,
    queryFn: async ({ signal }): Promise<TaskParents> =>
      toTaskParents(await getJson<Template>(`/templates/${encodeURIComponent(name)}`, { version }, signal)),
    staleTime: Number.POSITIVE_INFINITY,
  });
}
