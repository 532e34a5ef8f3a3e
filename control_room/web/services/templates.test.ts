import { expect, test } from "vitest";
import { type Template, toTaskParents } from "@/services/templates";

const template = (spec: Template["spec"]) => ({ spec }) as Template;

test("what a task waits for is read from the pipeline's spec", () => {
  const parents = toTaskParents(template({ tasks: { ingest: {}, report: { depends_on: ["ingest"] } } }));
  expect([...parents]).toEqual([
    ["ingest", []],
    ["report", ["ingest"]],
  ]);
});

test("a task waits for those whose outputs it reads, each once", () => {
  const parents = toTaskParents(
    template({
      tasks: {
        clean: { inputs: { raw: "ingest.flights" } },
        join: { depends_on: ["clean"], inputs: { a: "clean.cat.schema.a", b: "ingest.b" } },
      },
    }),
  );
  expect([...parents]).toEqual([
    ["clean", ["ingest"]],
    ["join", ["clean", "ingest"]],
  ]);
});

test("a template without tasks has none", () => expect(toTaskParents(template({})).size).toBe(0));
