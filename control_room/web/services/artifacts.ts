import { queryOptions } from "@tanstack/react-query";
import { asDigits, asText, isObject, type JsonObject } from "@/lib/json";
import { buildUrl, getJson, type Schemas } from "@/services/http";

type ArtifactWire = Schemas["Artifact"];
export type ArtifactTable = { format: string; uri: string; version: string | null };
export type Artifact = Omit<ArtifactWire, "table"> & { table: ArtifactTable | null };
export type Verification = Schemas["Verification"];
/** What a run told of a file, as figures and tables are shown; the start of a text. */
export type Preview = { facts: JsonObject; text: string | null; isCut: boolean };

export const artifactKeys = {
  of: (run_id: string) => ["artifacts", run_id] as const,
  preview: (artifact_id: string) => ["artifact-preview", artifact_id] as const,
};

export function toArtifact(wire: ArtifactWire): Artifact {
  return { ...wire, table: toTable(wire.table) };
}

function toTable(wire: unknown): ArtifactTable | null {
  if (!isObject(wire)) return null;
  return { format: asText(wire.format) ?? "", uri: asText(wire.uri) ?? "", version: asDigits(wire.version) };
}

export function artifactsQuery(run_id: string) {
  return queryOptions({
    queryKey: artifactKeys.of(run_id),
    queryFn: async ({ signal }): Promise<Artifact[]> => {
      const page = await getJson<Schemas["Artifacts"]>(`/runs/${run_id}/artifacts`, {}, signal);
      return page.items.map(toArtifact);
    },
  });
}

export function previewQuery(artifact_id: string) {
  return queryOptions({
    queryKey: artifactKeys.preview(artifact_id),
    queryFn: async ({ signal }): Promise<Preview> =>
      toPreview(await getJson<Schemas["Preview"]>(`/artifacts/${artifact_id}/preview`, {}, signal)),
  });
}

export function toPreview(wire: Schemas["Preview"]): Preview {
  const { text = null, text_cut: isCut = false } = wire;
  return { facts: toFacts(isObject(wire.preview) ? wire.preview : {}), text, isCut };
}

/** Rows stand under the name that tables of queries have; how many there are in all beside them. */
function toFacts({ type, column_count: _, cut: __, page, rows, values, ...told }: JsonObject): JsonObject {
  if (type === "metrics" && isObject(values)) return values;
  if (type === "table") return { ...told, ...(rows === null ? {} : { total_rows: rows }), rows: page };
  return { ...told, ...(rows === undefined ? {} : { rows }) };
}

export function downloadUrl(artifact_id: string, inline = false): string {
  return buildUrl(`/artifacts/${artifact_id}/download`, { inline: inline ? true : null });
}

export function verifyArtifact(artifact_id: string): Promise<Verification> {
  return getJson<Verification>(`/artifacts/${artifact_id}/verify`);
}

/** Only bytes can be downloaded; a table is read where it lies. */
export function isDownloadable(artifact: Artifact): boolean {
  return artifact.kind !== "table" && (artifact.state === "visible" || artifact.state === "recorded");
}

/** What no browser shows by itself, and the run may have told of. */
export function isPreviewable(artifact: Artifact): boolean {
  return isDownloadable(artifact) && !isViewable(artifact);
}

export function isViewable(artifact: Artifact): boolean {
  return (
    isDownloadable(artifact) &&
    /^(text\/(html|plain)|application\/json|image\/(png|jpeg|gif|webp|svg\+xml))(;|$)/.test(
      artifact.media_type,
    )
  );
}
