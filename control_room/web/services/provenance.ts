import { queryOptions } from "@tanstack/react-query";
import {
  asArray,
  asDigits,
  asNumber,
  asObject,
  asText,
  isObject,
  type JsonObject,
  parseExact,
} from "@/lib/json";
import { getJson, recheckAfter, type Schemas } from "@/services/http";
import { type RunInput, toInput } from "@/services/runs";

type ManifestWire = Schemas["Manifest"];
type RunManifestWire = Schemas["RunManifest"];
export type SigningKey = Schemas["SigningKey"];

export type ManifestArtifact = { name: string; kind: string; size: number | null; sha256: string | null };
export type ManifestPublication = {
  output: string;
  format: string;
  uri: string;
  state: string;
  /** All digits of it. */
  version: string | null;
  files: { path: string; sha256: string | null }[];
};
export type ManifestTask = { run_id: string; task_key: string; state: string; root: string | null };
export type ManifestExecutor = { name: string; kind: string; version: string };

/** A manifest as it was recorded. Nothing of it was recomputed: that is what `control-room verify` does. */
export type Manifest = {
  /** Exactly as it was hashed. */
  text: string;
  sha256: string;
  root: string;
  /** DSSE, as text; null: nobody signed it. */
  envelope: string | null;
  key_id: string | null;
  made_at: string;
  submitted_by: string | null;
  /** The run whose work stands for this one's: the outputs are its. */
  reused_from: number | null;
  template: { name: string; version: number | null; digest: string | null };
  bundle: { sha256: string; size: number | null } | null;
  executors: ManifestExecutor[];
  events: { length: number; head: string } | null;
  inputs: RunInput[];
  artifacts: ManifestArtifact[];
  publications: ManifestPublication[];
  tasks: ManifestTask[];
};
export type RunManifest = { run_id: string; manifest_root: string | null; manifest: Manifest | null };

export const manifestKeys = { of: (run_id: string) => ["manifest", run_id] as const };

export function toRunManifest(wire: RunManifestWire): RunManifest {
  const { run_id, manifest_root, manifest } = wire;
  return { run_id, manifest_root, manifest: manifest && toManifest(manifest) };
}

export function toManifest(wire: ManifestWire): Manifest {
  const said = asObject(parseExact(wire.text));
  const run = asObject(said.run);
  return {
    text: wire.text,
    sha256: wire.sha256,
    root: wire.root,
    envelope: wire.envelope && JSON.stringify(wire.envelope),
    key_id: wire.key_id,
    made_at: wire.made_at,
    submitted_by: asText(asObject(said.trigger).submitted_by),
    reused_from: asNumber(asObject(said.reused_from).number),
    template: toTemplate(asObject(run.template)),
    bundle: toBundle(asObject(said.code).bundle),
    executors: objects(said.environment).map(toExecutor),
    events: toEvents(said.events),
    inputs: asArray(said.inputs).map(toInput),
    artifacts: objects(said.artifacts).map(toArtifact),
    publications: objects(said.publications).map(toPublication),
    tasks: objects(said.tasks).map(toTask),
  };
}

function objects(value: unknown): JsonObject[] {
  return asArray(value).filter(isObject);
}

function toTemplate(said: JsonObject): Manifest["template"] {
  return { name: asText(said.name) ?? "", version: asNumber(said.version), digest: asText(said.digest) };
}

function toBundle(said: unknown): Manifest["bundle"] {
  const sha256 = isObject(said) ? asText(said.sha256) : null;
  return sha256 === null ? null : { sha256, size: asNumber(asObject(said).size) };
}

function toExecutor(said: JsonObject): ManifestExecutor {
  return {
    name: asText(said.name) ?? "",
    kind: asText(said.kind) ?? "",
    version: asText(said.version) ?? "",
  };
}

function toEvents(said: unknown): Manifest["events"] {
  const [length, head] = [asNumber(asObject(said).length), asText(asObject(said).head)];
  return length === null || head === null ? null : { length, head };
}

function toArtifact(said: JsonObject): ManifestArtifact {
  const { name, kind, size, sha256 } = said;
  return {
    name: asText(name) ?? "",
    kind: asText(kind) ?? "",
    size: asNumber(size),
    sha256: asText(sha256),
  };
}

function toPublication(said: JsonObject): ManifestPublication {
  const text = (name: string) => asText(said[name]) ?? "";
  return {
    output: text("output"),
    format: text("format"),
    uri: text("uri"),
    state: text("state"),
    version: asDigits(said.table_version),
    files: objects(said.files).map((file) => ({
      path: asText(file.path) ?? "",
      sha256: asText(file.sha256),
    })),
  };
}

function toTask(said: JsonObject): ManifestTask {
  const text = (name: string) => asText(said[name]) ?? "";
  return {
    run_id: text("run_id"),
    task_key: text("task_key"),
    state: text("state"),
    root: asText(said.manifest_root),
  };
}

/** A manifest comes some seconds after the end of its run, and then stays as it is. */
export function manifestQuery(run_id: string, ended: boolean) {
  return queryOptions({
    queryKey: manifestKeys.of(run_id),
    queryFn: async ({ signal }): Promise<RunManifest> =>
      toRunManifest(await getJson<RunManifestWire>(`/runs/${run_id}/manifest`, {}, signal)),
    enabled: ended,
    refetchInterval: ({ state }) =>
      state.data && !state.error ? (state.data.manifest ? false : 3000) : recheckAfter(state.error),
  });
}

export function signingKeysQuery() {
  return queryOptions({
    queryKey: ["signing-keys"] as const,
    queryFn: async ({ signal }): Promise<SigningKey[]> =>
      (await getJson<Schemas["SigningKeys"]>("/signing-keys", {}, signal)).items,
    staleTime: 60_000,
  });
}
