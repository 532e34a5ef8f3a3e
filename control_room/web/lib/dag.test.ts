import { expect, test } from "vitest";
import { layer, layout } from "@/lib/dag";

const node = (key: string, ...depends_on: string[]) => ({ key, depends_on });
const keys = (layers: { key: string }[][]) => layers.map((nodes) => nodes.map((item) => item.key));

test("each task stands after all it depends on, in the given order inside a layer", () => {
  const tasks = [
    node("report", "transform"),
    node("ingest"),
    node("weather"),
    node("transform", "ingest", "weather"),
  ];
  expect(keys(layer(tasks))).toEqual([["ingest", "weather"], ["transform"], ["report"]]);
});

test("a parent that is not among the tasks holds nothing back", () => {
  expect(keys(layer([node("a", "elsewhere")]))).toEqual([["a"]]);
});

test("a cycle ends in the last layer and not in a loop", () => {
  expect(keys(layer([node("a"), node("b", "c"), node("c", "b")]))).toEqual([["a"], ["b", "c"]]);
});

test("the layout leaves room for every task and draws one edge per dependency", () => {
  const box = { width: 100, height: 40, gapX: 50, gapY: 10 };
  const drawn = layout([node("a"), node("b"), node("c", "a", "b")], box);
  expect([drawn.width, drawn.height]).toEqual([250, 90]);
  expect(drawn.placed.map(({ node: { key }, x, y }) => [key, x, y])).toEqual([
    ["a", 0, 0],
    ["b", 0, 50],
    ["c", 150, 25],
  ]);
  expect(drawn.edges.map((edge) => `${edge.from}>${edge.to}`)).toEqual(["a>c", "b>c"]);
  expect(drawn.edges[0]?.path).toBe("M 100 20 C 125 20, 125 45, 150 45");
});
