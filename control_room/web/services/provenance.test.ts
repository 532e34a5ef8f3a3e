import { expect, test } from "vitest";
import { parseExact } from "@/lib/json";
import type { Schemas } from "@/services/http";
import { toManifest } from "@/services/provenance";

const SNAPSHOT = "6189302345623451234";
const TEXT = `{"artifacts":[{"kind":"report","name":"a.html","sha256":"${"a".repeat(64)}","size":7}],\
"code":{"bundle":null},"environment":[{"kind":"python","name":"python-1","version":"0.1.0"}],\
"events":{"head":"${"b".repeat(64)}","length":5},"inputs":[{"kind":"table","name":"t","version":${SNAPSHOT}}],\
"publications":[{"files":[{"path":"p.parquet","sha256":"c"}],"format":"iceberg","output":"o","state":"committed",\
"table_version":${SNAPSHOT},"uri":"iceberg://x/y"}],"run":{"template":{"digest":"d","name":"job","version":2}},"tasks":[]}`;

function wire(more: Partial<Schemas["Manifest"]> = {}): Schemas["Manifest"] {
  const sent = {
    text: TEXT,
    sha256: "e",
    root: "f",
    envelope: null,
    key_id: null,
    made_at: "2026-11-23T12:00:00Z",
  };
  return parseExact(JSON.stringify({ ...sent, ...more })) as Schemas["Manifest"];
}

test("a manifest is read from its own text, with all digits, and the text stays what was hashed", () => {
  const manifest = toManifest(wire());
  expect(manifest.text).toBe(TEXT);
  expect(manifest.inputs[0]?.version).toBe(SNAPSHOT);
  expect(manifest.publications[0]?.version).toBe(SNAPSHOT);
  expect(manifest.publications[0]?.files).toEqual([{ path: "p.parquet", sha256: "c" }]);
  expect(manifest.template).toEqual({ name: "job", version: 2, digest: "d" });
  expect([manifest.bundle, manifest.envelope, manifest.key_id]).toEqual([null, null, null]);
  expect(manifest.events).toEqual({ length: 5, head: "b".repeat(64) });
});

test("an envelope is handed on as it came", () => {
  const envelope = {
    payload: "eyJ9",
    payloadType: "application/vnd.in-toto+json",
    signatures: [{ sig: "x" }],
  };
  expect(JSON.parse(toManifest(wire({ envelope, key_id: "k" })).envelope ?? "")).toEqual(envelope);
});
