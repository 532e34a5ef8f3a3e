import { type Manifest, toManifest } from "@/services/provenance";

/** What a manifest says, for tests to vary. */
export function said(more: object = {}): object {
  return {
    run: { template: { name: "job", version: 2, digest: "d".repeat(64) } },
    trigger: { submitted_by: "ana" },
    code: { bundle: { sha256: "c".repeat(64), size: 2048 } },
    environment: [{ name: "python-1", kind: "python", version: "0.1.0" }],
    events: { length: 5, head: "b".repeat(64) },
    inputs: [{ name: "flights", kind: "table", format: "delta", version: 3, uri: "s3://lakehouse/flights" }],
    artifacts: [{ name: "report.html", kind: "report", size: 7, sha256: "a".repeat(64) }],
    publications: [],
    tasks: [],
    ...more,
  };
}

export function someManifest(more: object = {}, sent: { envelope?: object; key_id?: string } = {}): Manifest {
  return toManifest({
    text: JSON.stringify(said(more)),
    sha256: "e".repeat(64),
    root: "f".repeat(64),
    envelope: (sent.envelope ?? null) as Parameters<typeof toManifest>[0]["envelope"],
    key_id: sent.key_id ?? null,
    made_at: "2026-11-23T12:00:00Z",
  });
}
