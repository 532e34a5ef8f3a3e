import type { Browser } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect, inject, test } from "vitest";
import { call, startBrowser, type Visit, visit } from "./browser";

type Made = { number: number };
const TEMPLATE = "default/nycflights-ingest";
const BUDGET = { scope: "template", scope_ref: TEMPLATE, unit: "runs", period: "total" };
const CAP = { scope: "template", scope_ref: TEMPLATE, cap: "log_bytes", action: "cut" };
let browser: Browser;
let here: Visit;
beforeAll(async () => {
  browser = await startBrowser();
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

test("a run without room in a budget is held, and leads to why and back", async () => {
  const { page } = here;
  const params = { schema_prefix: "uitests" };
  await call(page, "PUT", "/budgets", { ...BUDGET, limit: 0 });
  const made = await call<Made>(page, "POST", "/runs", { template: "nycflights-ingest", params });
  try {
    await page.goto("/limits/");
    const budget = table("Budgets").getByRole("row").filter({ hasText: TEMPLATE });
    expect(await budget.textContent()).toContain("runs wait");
    await page.locator(`tr[data-held="${made.number}"]`).getByRole("link", { name: "Why" }).click();
    const why = page.locator("[aria-labelledby=why-title]");
    await why.getByText("budget_exhausted").waitFor();
    await why.getByRole("link", { name: /All budgets/ }).waitFor();
    await page.getByRole("tab", { name: "Limits" }).click();
    const counted = table("Budgets").getByRole("row").filter({ hasText: TEMPLATE });
    expect(await counted.textContent()).toContain("runs in all");
    await why.getByRole("link", { name: /All budgets/ }).click();
    await page.getByRole("heading", { name: "Limits", exact: true }).waitFor();
  } finally {
    await call(page, "POST", `/runs/${made.number}/cancel`, { reason: "seen" });
    await call(page, "PUT", "/budgets", { ...BUDGET, limit: null });
  }
});

test("the list of runs is narrowed to those that a budget holds, and widened again", async () => {
  const { page } = here;
  await page.goto("/runs/?state=waiting&reason=budget_exhausted&top_level=false");
  await page.getByRole("heading", { name: "No run matches these filters" }).waitFor();
  await page.getByRole("button", { name: "Remove filter: reason budget exhausted" }).click();
  expect(new URL(page.url()).search).toBe("?state=waiting&top_level=false");
});

test("a cap of a template stands on the page, and on a run with who gave it", async () => {
  const { page } = here;
  await call(page, "PUT", "/caps", { ...CAP, limit: 1_048_576 });
  const not_before = new Date(Date.now() + 86_400_000).toISOString();
  const body = { template: "nycflights-ingest", params: { schema_prefix: "uitests" }, not_before };
  const made = await call<Made>(page, "POST", "/runs", { ...body, caps: { wall_seconds: 60 } });
  try {
    await page.goto("/limits/");
    const row = table("Caps of single runs").getByRole("row").filter({ hasText: TEMPLATE });
    expect(await row.textContent()).toContain("1.0 MiB");
    await page.goto(`/run/?id=${made.number}&tab=limits`);
    const wall = table("Caps").locator("tr[data-cap=wall_seconds]");
    expect(await wall.textContent()).toMatch(/^wall time–1 m 00 scancel.*run.*run 1 m 00 s$/);
    const log = table("Caps").locator("tr[data-cap=log_bytes]");
    expect(await log.textContent()).toContain("1.0 MiBcut the log–template cap");
  } finally {
    await call(page, "POST", `/runs/${made.number}/cancel`, { reason: "seen" });
    await call(page, "PUT", "/caps", { ...CAP, limit: null });
  }
});
