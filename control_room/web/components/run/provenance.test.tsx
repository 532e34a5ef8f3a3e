// @vitest-environment happy-dom
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { cleanup, render, screen, within } from "@testing-library/react";
import { afterEach, expect, test } from "vitest";
import { ManifestParts } from "@/components/run/manifest-parts";
import { ManifestSummary } from "@/components/run/manifest-summary";
import { ProvenanceTab } from "@/components/run/provenance-tab";
import { type Manifest, manifestKeys, type RunManifest, type SigningKey } from "@/services/provenance";
import { someManifest } from "@/test/provenance";
import { someDetail, someRun } from "@/test/runs";

const KEY: SigningKey = {
  key_id: "9".repeat(64),
  algorithm: "ed25519",
  public_key: "8".repeat(64),
  valid_from: "2026-01-01T00:00:00Z",
  retired_at: null,
};
const SIGNED = { envelope: { payload: "e30=" }, key_id: KEY.key_id };

afterEach(cleanup);

function clientWith(keys: SigningKey[] = []): QueryClient {
  const client = new QueryClient({ defaultOptions: { queries: { staleTime: Number.POSITIVE_INFINITY } } });
  client.setQueryData(["signing-keys"], keys);
  return client;
}

function show(manifest: Manifest, keys: SigningKey[] = [], rootOnRun: string | null = manifest.root) {
  render(
    <QueryClientProvider client={clientWith(keys)}>
      <ManifestSummary run={someDetail()} manifest={manifest} rootOnRun={rootOnRun} />
      <ManifestParts run={someDetail()} manifest={manifest} />
    </QueryClientProvider>,
  );
}

test("a signed manifest is told as recorded, with its key and the commands that verify it", () => {
  show(someManifest({}, SIGNED), [KEY]);
  expect(screen.getByText("recorded, not verified")).toBeTruthy();
  expect(screen.getByText(KEY.key_id)).toBeTruthy();
  expect(screen.getByText(/in force since/)).toBeTruthy();
  expect(screen.getByText("control-room verify 42")).toBeTruthy();
  expect(screen.getByText(`control-room verify --offline run-42.tar --key ${KEY.key_id}`)).toBeTruthy();
  expect(screen.getByRole("button", { name: "Signed envelope" })).toBeTruthy();
  expect(document.querySelector(".text-succeeded")).toBeNull();
  expect(screen.queryByRole("alert")).toBeNull();
});

test("one that nobody signed says how to have a key", () => {
  show(someManifest());
  expect(screen.getByText("not signed")).toBeTruthy();
  expect(screen.getByText("OPS_SIGNING_KEY_FILE=signing.key")).toBeTruthy();
  expect(screen.queryByRole("button", { name: "Signed envelope" })).toBeNull();
});

test("a key that nobody knows and a root that the run does not name are told", () => {
  show(someManifest({}, SIGNED), [], "0".repeat(64));
  expect(screen.getByText(/knows no such key/)).toBeTruthy();
  expect(screen.getByRole("alert").textContent).toContain("another root, 000000000000");
});

test("what it read and left stands with versions and digests", () => {
  const files = [
    { path: "a", sha256: "1" },
    { path: "b", sha256: "2" },
  ];
  const publication = {
    output: "gold",
    format: "delta",
    uri: "s3://lakehouse/gold",
    state: "committed",
    files,
  };
  show(someManifest({ publications: [{ ...publication, table_version: 0 }] }));
  const rows = (name: string) =>
    within(screen.getByRole("table", { name }))
      .getAllByRole("row")
      .slice(1)
      .map((row) => row.textContent);
  expect(rows("Inputs on record")).toEqual(["flightsdelta3––s3://lakehouse/flights"]);
  expect(rows("Outputs on record")).toEqual([
    "golds3://lakehouse/golddelta02 filesof each, in the manifest",
    "report.htmlreport–7 Baaaaaaaaaaaa",
  ]);
});

test("what another run had done already names that run", () => {
  show(someManifest({ reused_from: { run_id: "r", number: 12 } }));
  const outputs = within(screen.getByRole("region", { name: "Outputs on record" }));
  expect(outputs.getByRole("link", { name: "#12" }).getAttribute("href")).toBe("/run/?id=12");
  expect(outputs.getByText(/did no work/)).toBeTruthy();
});

test("a pipeline has its tasks, each with the root of its own manifest", () => {
  const child = someRun({ run_id: "r7", number: 7, task_key: "ingest" });
  const tasks = [{ run_id: "r7", task_key: "ingest", state: "succeeded", manifest_root: null }];
  render(<ManifestParts run={{ ...someDetail(), children: [child] }} manifest={someManifest({ tasks })} />);
  const table = within(screen.getByRole("table", { name: "Tasks on record" }));
  expect(table.getByRole("link", { name: "ingest" }).getAttribute("href")).toBe("/run/?id=7");
  expect(table.getByText("–")).toBeTruthy();
});

test("before the end there is none, and after it one is about to come", () => {
  const client = clientWith();
  const tab = (state: string) => (
    <QueryClientProvider client={client}>
      <ProvenanceTab run={someDetail({ state: state as "running" })} />
    </QueryClientProvider>
  );
  const { rerender } = render(tab("running"));
  expect(screen.getByText("There is none yet")).toBeTruthy();
  const none: RunManifest = { run_id: someDetail().run_id, manifest_root: null, manifest: null };
  client.setQueryData(manifestKeys.of(none.run_id), none);
  rerender(tab("succeeded"));
  expect(screen.getByText("It is about to be recorded")).toBeTruthy();
});
