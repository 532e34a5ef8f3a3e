import { queryOptions } from "@tanstack/react-query";
import { asDigits, asText, isObject } from "@/lib/json";
import { buildUrl, getJson, type Schemas } from "@/services/http";

type ArtifactWire = Schemas["Artifact"];
export type ArtifactTable = { format: string; uri: string; version: string | null };
export type Artifact = Omit<ArtifactWire, "table"> & { table: ArtifactTable | null };
export type Verification = Schemas["Verification"];

export const artifactKeys = { of: (run_id: string) => ["artifacts", run_id] as const };

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

export function isViewable(artifact: Artifact): boolean {
  return (
    isDownloadable(artifact) &&
    /^(text\/(html|plain)|application\/json|image\/(png|jpeg|gif|webp|svg\+xml))(;|$)/.test(
      artifact.media_type,
    )
  );
}
