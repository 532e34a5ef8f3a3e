import { expect, test } from "vitest";
import {
  type DataRun,
  dataAt,
  dataHref,
  dataText,
  fileName,
  fileNames,
  type LineageData,
  lineagePicture,
  versionsOf,
  versionText,
} from "@/lib/lineage";

const run = (number: number) => ({ run_id: `r${number}`, number, template_name: `t${number}` });
const data = (name: string, ...runs: number[]): LineageData => ({
  namespace: "s3://lakehouse",
  name,
  version: "1",
  runs: runs.map(run),
});

test("a run stands between what it read and what it made, with who made and who reads them", () => {
  const { layers, left_out } = lineagePicture({
    run_id: "r5",
    inputs: [data("a", 1), data("b", 2, 1)],
    outputs: [data("c", 9, 5)],
  });
  expect(layers.map((nodes) => nodes.map((node) => node.key))).toEqual([
    ["up 2", "up 1"],
    ["in s3://lakehouse a 1", "in s3://lakehouse b 1"],
    ["self"],
    ["out s3://lakehouse c 1"],
    ["down 9"],
  ]);
  expect(layers[1]?.[1]?.depends_on).toEqual(["up 2", "up 1"]);
  expect(layers[4]?.[0]?.depends_on).toEqual(["out s3://lakehouse c 1"]);
  expect(left_out).toBe(0);
});

test("a picture stays small and says how much it leaves out", () => {
  const many = Array.from({ length: 30 }, (_, index) => index + 10);
  const { layers, left_out } = lineagePicture({ run_id: "r5", inputs: [], outputs: [data("c", ...many)] });
  expect(layers.map((nodes) => nodes.length)).toEqual([1, 1, 8]);
  expect(layers[2]?.[0]?.key).toBe("down 39");
  expect(left_out).toBe(22);
});

test("data is named as a person would, and its page by both its names", () => {
  expect(dataText({ namespace: "s3://lakehouse", name: "silver/flights" })).toBe(
    "s3://lakehouse/silver/flights",
  );
  expect(dataText({ namespace: "x", name: `artifact/sha256/${"ab".repeat(32)}` })).toBe("file abababababab");
  expect(dataHref({ namespace: "s3://lakehouse", name: "a b&c" })).toBe(
    "/data/?namespace=s3%3A%2F%2Flakehouse&name=a+b%26c",
  );
});

test("a file has the name that the run knows it by", () => {
  const file = { name: `artifact/sha256/${"ab".repeat(32)}` };
  const names = fileNames([{ sha256: "ab".repeat(32), name: "model.onnx" }], [{ sha256: null, name: "t" }]);
  expect(fileName(file, names)).toBe("model.onnx");
  expect(fileName({ name: "silver/flights" }, names)).toBeNull();
});

test.each([
  ["s3://lakehouse/silver/flights", { namespace: "s3://lakehouse", name: "silver/flights" }],
  ["s3://lakehouse/silver/flights/", { namespace: "s3://lakehouse", name: "silver/flights" }],
  ["file:///srv/data/t", { namespace: "file://", name: "srv/data/t" }],
  ["s3://lakehouse/", { namespace: "s3://lakehouse", name: "/" }],
  ["flights", null],
])("%s is known to lineage as %j", (uri, names) => expect(dataAt(uri)).toEqual(names));

test("an object's version is the beginning of its digest, a table's has all digits", () => {
  expect(versionText(`sha256:${"ab".repeat(32)}`)).toBe("abababababab");
  expect(versionText("6189302345623451234")).toBe("6189302345623451234");
});

test("runs are gathered by the version that they made or read", () => {
  const item = (number: number, side: "input" | "output", version: string | null): DataRun => ({
    ...run(number),
    side,
    version,
    finished_at: null,
  });
  const found = versionsOf([
    item(9, "output", "2"),
    item(9, "input", "1"),
    item(8, "input", null),
    item(7, "output", "1"),
  ]);
  expect(
    found.map(({ version, made, read }) => [version, made.map((r) => r.number), read.map((r) => r.number)]),
  ).toEqual([
    ["2", [9], []],
    ["1", [7], [9]],
    [null, [], [8]],
  ]);
});
