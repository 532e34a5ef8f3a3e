import type { DagNode, Layered } from "@/lib/dag";

export type LineageRun = { run_id: string; number: number; template_name: string };
export type LineageData = { namespace: string; name: string; version: string | null; runs: LineageRun[] };
export type Lineage = { run_id: string; inputs: LineageData[]; outputs: LineageData[] };

export type LineageNode = DagNode &
  ({ what: "self" } | { what: "run"; run: LineageRun } | { what: "data"; data: LineageData });

/** Layers from left to right, and how much of it the picture leaves out. */
export type LineagePicture = { layers: Layered<LineageNode>; left_out: number };

const MOST = 8;

/** Who made what was read, what was read, the run, what it made, and who read that; empty layers are left out. */
export function lineagePicture(lineage: Lineage): LineagePicture {
  const inputs = lineage.inputs.slice(0, MOST);
  const outputs = lineage.outputs.slice(0, MOST);
  const makers = others(inputs, lineage.run_id);
  const readers = others(outputs, lineage.run_id);
  const [shownMakers, shownReaders] = [makers.slice(0, MOST), readers.slice(0, MOST)];
  const layers: Layered<LineageNode> = [
    shownMakers.map((run) => ({ what: "run", run, key: `up ${run.number}`, depends_on: [] })),
    inputs.map((data) => ({
      what: "data",
      data,
      key: `in ${dataKey(data)}`,
      depends_on: data.runs.map((run) => `up ${run.number}`),
    })),
    [{ what: "self", key: "self", depends_on: inputs.map((data) => `in ${dataKey(data)}`) }],
    outputs.map((data) => ({ what: "data", data, key: `out ${dataKey(data)}`, depends_on: ["self"] })),
    shownReaders.map((run) => ({
      what: "run",
      run,
      key: `down ${run.number}`,
      depends_on: outputs.filter((data) => reads(run, data)).map((data) => `out ${dataKey(data)}`),
    })),
  ];
  const shown = inputs.length + outputs.length + shownMakers.length + shownReaders.length;
  const all = lineage.inputs.length + lineage.outputs.length + makers.length + readers.length;
  return { layers: layers.filter((nodes) => nodes.length > 0), left_out: all - shown };
}

function reads(run: LineageRun, data: LineageData): boolean {
  return data.runs.some((one) => one.run_id === run.run_id);
}

/** The runs at the other side of data, each once, the latest first, without the run itself. */
function others(data: LineageData[], run_id: string): LineageRun[] {
  const found = new Map(data.flatMap(({ runs }) => runs).map((run) => [run.run_id, run]));
  found.delete(run_id);
  return [...found.values()].sort((a, b) => b.number - a.number);
}

export function dataKey({ namespace, name, version }: Omit<LineageData, "runs">): string {
  return `${namespace} ${name} ${version ?? ""}`;
}

const FILE = /^artifact\/sha256\/([0-9a-f]{64})$/;

/** Whether it is a file of ours, which lineage knows by its digest. */
export function isFile({ name }: { name: string }): boolean {
  return FILE.test(name);
}

/** As people name it: `s3://lakehouse/silver/flights`; a file of ours by the beginning of its digest. */
export function dataText({ namespace, name }: { namespace: string; name: string }): string {
  const digest = FILE.exec(name)?.[1];
  return digest ? `file ${digest.slice(0, 12)}` : `${namespace}/${name.replace(/^\//, "")}`;
}

/** Names of files by their sha256, as far as a run knows them: its artifacts, and its inputs. */
export type FileNames = ReadonlyMap<string, string>;

export function fileName({ name }: { name: string }, names: FileNames): string | null {
  return names.get(FILE.exec(name)?.[1] ?? "") ?? null;
}

export function fileNames(...known: readonly { sha256: string | null; name: string }[][]): FileNames {
  return new Map(
    known.flat().flatMap(({ sha256, name }) => (sha256 === null ? [] : [[sha256, name] as const])),
  );
}

/** Of an address the names that lineage has for it: scheme with authority, and path. Null where it is no address. */
export function dataAt(uri: string): { namespace: string; name: string } | null {
  const parts = /^([a-z][a-z0-9+.-]*:\/\/[^/]*)\/(.*)$/i.exec(uri);
  const [namespace, path] = [parts?.[1], parts?.[2]];
  if (namespace === undefined || path === undefined) return null;
  return { namespace, name: path.replace(/^\/+|\/+$/g, "") || "/" };
}

/** A table's version or snapshot whole; of an object, whose version is its digest, the beginning. */
export function versionText(version: string): string {
  const digest = /^sha256:([0-9a-f]{12})/.exec(version);
  return digest?.[1] ?? version;
}

export function dataHref({ namespace, name }: { namespace: string; name: string }): string {
  return `/data/?${new URLSearchParams({ namespace, name })}`;
}

export type DataRun = LineageRun & {
  side: "input" | "output";
  version: string | null;
  finished_at: string | null;
};
export type DataVersion = { version: string | null; made: DataRun[]; read: DataRun[] };

/** By version, that of the newest run first. */
export function versionsOf(items: readonly DataRun[]): DataVersion[] {
  const found = new Map<string | null, DataVersion>();
  for (const item of items) {
    const version = found.get(item.version) ?? { version: item.version, made: [], read: [] };
    version[item.side === "output" ? "made" : "read"].push(item);
    found.set(item.version, version);
  }
  return [...found.values()];
}
