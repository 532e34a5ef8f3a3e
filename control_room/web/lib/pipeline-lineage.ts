import { layer } from "@/lib/dag";
import { asArray, asObject, asText, isObject } from "@/lib/json";
import type { Lineage, LineageData, LineageNode, LineagePicture, LineageRun } from "@/lib/lineage";

/** An OpenLineage event, as far as it tells what one of the tasks read and made. */
export type Told = { run_id: string; body: object };

const MOST = 40;

/**
 * The tasks of a pipeline with the data between them, as their events tell, and the runs before and after. More than
 * forty things are no picture: there are no layers then, and the tables have all of it.
 */
export function pipelinePicture(
  lineage: Lineage,
  tasks: readonly LineageRun[],
  told: readonly Told[],
): LineagePicture {
  const edges = told.flatMap(edgesOf);
  const inside = new Set(tasks.map((task) => task.run_id));
  const others = (data: LineageData) => data.runs.filter((run) => !inside.has(run.run_id));
  const makers = once(lineage.inputs.flatMap(others));
  const readers = once(lineage.outputs.flatMap(others));
  const nodes: LineageNode[] = [
    ...makers.map((run) => runNode("up", run, [])),
    ...[...byName([...lineage.inputs, ...lineage.outputs])].map(([key, data]) =>
      dataNode(key, data, [
        ...madeBy(key, tasks, edges),
        ...lineage.inputs.filter((one) => nameOf(one) === key).flatMap((one) => keysOf("up", others(one))),
      ]),
    ),
    ...tasks.map((task) => runNode("task", task, readBy(task, edges))),
    ...readers.map((run) => runNode("down", run, lineage.outputs.filter((one) => has(one, run)).map(nameOf))),
  ];
  const drawn = nodes.length <= MOST && edges.length > 0;
  return { layers: drawn ? layer(nodes) : [], left_out: 0 };
}

type Edge = { run_id: string; side: "inputs" | "outputs"; data: string };

function edgesOf({ run_id, body }: Told): Edge[] {
  return (["inputs", "outputs"] as const).flatMap((side) =>
    asArray(asObject(body)[side])
      .filter(isObject)
      .map((data) => ({
        run_id,
        side,
        data: nameOf({ namespace: asText(data.namespace) ?? "", name: asText(data.name) ?? "" }),
      })),
  );
}

/** Versions of one table are one place in the picture. */
function nameOf({ namespace, name }: { namespace: string; name: string }): string {
  return `${namespace} ${name}`;
}

function byName(data: LineageData[]): Map<string, LineageData> {
  return new Map(data.map((one) => [nameOf(one), one]));
}

function once(runs: LineageRun[]): LineageRun[] {
  return [...new Map(runs.map((run) => [run.run_id, run])).values()];
}

function has(data: LineageData, run: LineageRun): boolean {
  return data.runs.some((one) => one.run_id === run.run_id);
}

function keysOf(side: string, runs: LineageRun[]): string[] {
  return runs.map((run) => `${side} ${run.number}`);
}

function runNode(side: string, run: LineageRun, depends_on: string[]): LineageNode {
  return { what: "run", run, key: `${side} ${run.number}`, depends_on };
}

function dataNode(key: string, data: LineageData, depends_on: string[]): LineageNode {
  return { what: "data", data, key, depends_on };
}

function madeBy(key: string, tasks: readonly LineageRun[], edges: Edge[]): string[] {
  const makers = new Set(
    edges.filter((edge) => edge.side === "outputs" && edge.data === key).map((edge) => edge.run_id),
  );
  return keysOf(
    "task",
    tasks.filter((task) => makers.has(task.run_id)),
  );
}

/** What a task reads, but for what it also makes: a table that it appends to comes after it. */
function readBy(task: LineageRun, edges: Edge[]): string[] {
  const of = (side: Edge["side"]) =>
    new Set(
      edges.filter((edge) => edge.run_id === task.run_id && edge.side === side).map((edge) => edge.data),
    );
  const made = of("outputs");
  return [...of("inputs")].filter((data) => !made.has(data));
}
