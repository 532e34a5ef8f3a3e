import { expect, test } from "vitest";
import type { LineageData } from "@/lib/lineage";
import { pipelinePicture } from "@/lib/pipeline-lineage";

const run = (number: number) => ({ run_id: `r${number}`, number, template_name: `t${number}` });
const data = (name: string, ...runs: number[]): LineageData => ({
  namespace: "s3",
  name,
  version: "1",
  runs: runs.map(run),
});
const told = (number: number, inputs: string[], outputs: string[]) => ({
  run_id: `r${number}`,
  body: {
    inputs: inputs.map((name) => ({ namespace: "s3", name })),
    outputs: outputs.map((name) => ({ namespace: "s3", name })),
  },
});
const TASKS = [run(2), run(3)];

test("tasks stand between the data that they hand on, with the runs before and after the pipeline", () => {
  const lineage = {
    run_id: "r1",
    inputs: [data("raw", 9), data("bronze", 2)],
    outputs: [data("bronze", 3), data("gold", 12)],
  };
  const { layers } = pipelinePicture(lineage, TASKS, [
    told(2, ["raw"], []),
    told(2, ["raw"], ["bronze"]),
    told(3, ["bronze"], ["gold"]),
  ]);
  expect(layers.map((nodes) => nodes.map((node) => node.key))).toEqual([
    ["up 9"],
    ["s3 raw"],
    ["task 2"],
    ["s3 bronze"],
    ["task 3"],
    ["s3 gold"],
    ["down 12"],
  ]);
});

test("a table that a task reads and appends to comes after it, not in a circle", () => {
  const lineage = { run_id: "r1", inputs: [data("log", 2)], outputs: [data("log", 2)] };
  const { layers } = pipelinePicture(lineage, [run(2)], [told(2, ["log"], ["log"])]);
  expect(layers.map((nodes) => nodes.map((node) => node.key))).toEqual([["task 2"], ["s3 log"]]);
});

test("what is too much for a picture is left to the tables, and so is what no event tells", () => {
  const many = Array.from({ length: 50 }, (_, index) => `t${index}`);
  const lineage = { run_id: "r1", inputs: [], outputs: many.map((name) => data(name)) };
  expect(pipelinePicture(lineage, TASKS, [told(2, [], many)]).layers).toEqual([]);
  expect(pipelinePicture({ ...lineage, outputs: [] }, TASKS, []).layers).toEqual([]);
});
