import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { Browser } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect, inject, test } from "vitest";
import { call, startBrowser, type Visit, visit } from "./browser";
import { demoRun } from "./settings";

type Child = { number: number; task_key: string };
type Manifest = { manifest: { root: string; sha256: string; key_id: string | null } };
let browser: Browser;
let here: Visit;
let tasks: Record<string, number>;
beforeAll(async () => {
  browser = await startBrowser();
  const { page, context } = await visit(browser, { storageState: inject("session") });
  const { children } = await call<{ children: Child[] }>(page, "GET", `/runs/${demoRun()}`);
  tasks = Object.fromEntries(children.map((child) => [child.task_key, child.number]));
  await context.close();
});
afterAll(() => browser.close());
beforeEach(async () => {
  here = await visit(browser, { storageState: inject("session") });
});
afterEach(async () => {
  expect(here.complaints).toEqual([]);
  await here.context.close();
});

const table = (name: string) => here.page.getByRole("table", { name });

test("a manifest stands as recorded, with its root, its key and the command that verifies it", async () => {
  const { page } = here;
  const { manifest } = await call<Manifest>(page, "GET", `/runs/${tasks.transform}/manifest`);
  await page.goto(`/run/?id=${tasks.transform}&tab=provenance`);
  const shown = page.getByRole("region", { name: "Manifest", exact: true });
  await shown.getByText("recorded, not verified").waitFor();
  await shown.getByText(manifest.root).waitFor();
  expect(manifest.key_id, "the embedded stack has a key").not.toBeNull();
  await shown.getByText(manifest.key_id ?? "").waitFor();
  await shown.getByText(/in force since/).waitFor();
  await page.getByText(`control-room verify ${tasks.transform}`, { exact: true }).waitFor();
  expect(await table("Inputs on record").getByRole("row").count()).toBeGreaterThan(1);
  await table("Outputs on record").getByText("manifest.json").waitFor();
});

test("what is downloaded is the text that was hashed, and the envelope that was signed", async () => {
  const { page } = here;
  const { manifest } = await call<Manifest>(page, "GET", `/runs/${tasks.transform}/manifest`);
  await page.goto(`/run/?id=${tasks.transform}&tab=provenance`);
  const save = async (name: string) => {
    const button = page.getByRole("button", { name, exact: true });
    const [download] = await Promise.all([page.waitForEvent("download"), button.click()]);
    return readFile(await download.path());
  };
  const text = await save("Manifest");
  expect(createHash("sha256").update(text).digest("hex")).toBe(manifest.sha256);
  const envelope = JSON.parse(String(await save("Signed envelope"))) as { payload: string };
  const statement = JSON.parse(Buffer.from(envelope.payload, "base64").toString()) as { subject: object[] };
  expect(JSON.stringify(statement.subject[0])).toContain(manifest.root);
});

test("a pipeline names its tasks, each with the root of its own manifest", async () => {
  await here.page.goto(`/run/?id=${demoRun()}&tab=provenance`);
  await table("Tasks on record").waitFor();
  expect(await table("Tasks on record").getByRole("row").count()).toBe(4);
  expect(
    await table("Tasks on record")
      .getByRole("button", { name: /^Copy the root of/ })
      .count(),
  ).toBe(3);
});

test("a run that has not ended has no manifest, and says when it comes", async () => {
  const { page } = here;
  const not_before = new Date(Date.now() + 86_400_000).toISOString();
  const body = { template: "nycflights-ingest", params: { schema_prefix: "uitests" }, not_before };
  const made = await call<Child>(page, "POST", "/runs", body);
  await page.goto(`/run/?id=${made.number}&tab=provenance`);
  await page.getByRole("heading", { name: "There is none yet" }).waitFor();
  await call(page, "POST", `/runs/${made.number}/cancel`, { reason: "seen" });
  await page.getByText("recorded, not verified").waitFor();
  await page.getByRole("heading", { name: "It left nothing" }).waitFor();
});

test("lineage leads to who made what was read, and to the page of the data", async () => {
  const { page } = here;
  await page.goto(`/run/?id=${tasks.transform}&tab=lineage`);
  const flights = table("What it read").getByRole("row").filter({ hasText: "bronze/flights" });
  await flights.getByRole("link", { name: `#${tasks.ingest} nycflights-ingest` }).waitFor();
  const graph = page.getByLabel("Runs and data before and after this run");
  expect(await graph.locator("path[data-edge]").count()).toBeGreaterThan(2);
  await graph.getByText("this run").waitFor();
  await page.getByText("COMPLETE").first().waitFor();

  await flights.getByRole("link", { name: /bronze\/flights$/ }).click();
  await page.getByRole("heading", { name: /bronze\/flights$/ }).waitFor();
  const version = table("Versions")
    .getByRole("row")
    .filter({ hasText: `#${tasks.ingest} ` });
  await version.getByRole("link", { name: `#${tasks.transform} nycflights-transform` }).waitFor();
  await page.waitForFunction(() => document.title.includes("bronze/flights"));
  await version.getByRole("link", { name: `#${tasks.ingest} nycflights-ingest` }).click();
  await page.getByRole("heading", { name: new RegExp(`#${tasks.ingest} `) }).waitFor();
  await page.goBack();
  await page.waitForFunction(() => document.title.includes("bronze/flights"));
});

test("data that no run knows, and an address without data, say so", async () => {
  await here.page.goto("/data/?namespace=s3%3A%2F%2Flakehouse&name=no%2Fsuch");
  await here.page.getByRole("heading", { name: "No run is on record that made or read this" }).waitFor();
  await here.page.goto("/data/");
  await here.page.getByRole("heading", { name: "Which data?" }).waitFor();
});

test("a link to the last tab shows it, also at a telephone's width", async () => {
  const { page } = here;
  await page.setViewportSize({ width: 390, height: 844 });
  await page.goto(`/run/?id=${tasks.transform}&tab=provenance`);
  const tab = page.getByRole("tab", { name: "Provenance", selected: true });
  await tab.waitFor();
  const place = await tab.boundingBox();
  expect((place?.x ?? 999) + (place?.width ?? 0)).toBeLessThanOrEqual(390);
});
