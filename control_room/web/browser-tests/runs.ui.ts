import type { Browser } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect, inject, test } from "vitest";
import { call, startBrowser, submitForTomorrow, type Visit, visit } from "./browser";
import { demoRun } from "./settings";

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

const row = (number: number) => here.page.locator(`tr[data-run="${number}"]`);

test("the demo's pipeline is in the list with its state, its tasks as dots, its rows and its page", async () => {
  await here.page.goto("/runs/?kind=pipeline");
  const pipeline = row(demoRun());
  await pipeline.getByText("succeeded", { exact: true }).waitFor();
  const dots = pipeline.getByRole("img", {
    name: "3 tasks: ingest succeeded, transform succeeded, report succeeded",
  });
  await dots.waitFor();
  expect(await pipeline.textContent()).toContain("nycflights");
  await pipeline.getByRole("link", { name: `#${demoRun()}` }).click();
  await here.page.getByRole("heading", { name: /nycflights/ }).waitFor();
  expect(new URL(here.page.url()).search).toBe(`?id=${demoRun()}`);
});

test("the event stream is open and says so", async () => {
  await here.page.goto("/runs/");
  await here.page.locator('[data-live="live"]').getByText("Live").waitFor();
});

test("filters live in the address, survive a reload, and are cleared together", async () => {
  const { page } = here;
  await page.goto("/runs/");
  await page.getByRole("button", { name: "failed" }).click();
  await page.getByRole("button", { name: "cancelled" }).click();
  await page.getByLabel("Kind").selectOption("dbt");
  await page.getByRole("searchbox").fill("nothing-has-this-name");
  await page.getByRole("heading", { name: "No run matches these filters" }).waitFor();
  await page.waitForURL((url) => url.searchParams.get("q") === "nothing-has-this-name");
  expect(new URL(page.url()).searchParams.getAll("state")).toEqual(["failed", "cancelled"]);
  await page.reload();
  await page.getByRole("heading", { name: "No run matches these filters" }).waitFor();
  expect(await page.getByRole("button", { name: "failed" }).getAttribute("aria-pressed")).toBe("true");
  expect(await page.getByLabel("Kind").inputValue()).toBe("dbt");
  expect(await page.getByRole("searchbox").inputValue()).toBe("nothing-has-this-name");
  await page.getByRole("button", { name: "Clear filters" }).first().click();
  await page.locator("tr[data-run]").first().waitFor();
  expect(await page.getByRole("searchbox").inputValue()).toBe("");
});

test("tasks of pipelines are left out until asked for", async () => {
  const { page } = here;
  await page.goto("/runs/?q=nycflights-transform");
  await page.getByRole("heading", { name: "No run matches these filters" }).waitFor();
  await page.getByRole("button", { name: "top-level only" }).click();
  await page.getByText("task transform").first().waitFor();
  expect(page.url()).toContain("top_level=false");
});

test("a kind filter shows that kind alone", async () => {
  await here.page.goto("/runs/?kind=dbt&top_level=false");
  await here.page.getByText("nycflights-transform").first().waitFor();
  const kinds = await here.page.locator("tbody tr[data-run] td:nth-child(3)").allTextContents();
  expect(new Set(kinds)).toEqual(new Set(["dbt"]));
});

test("a number in the search field leads to its run", async () => {
  await here.page.goto("/runs/");
  await here.page.getByRole("searchbox").fill(`#${demoRun()}`);
  await here.page.keyboard.press("Enter");
  await here.page.getByRole("heading", { name: new RegExp(`#${demoRun()}`) }).waitFor();
});

test("a new run and its change of state show by themselves, without a reload", async () => {
  const { page } = here;
  await page.goto("/runs/");
  await page.locator('[data-live="live"]').waitFor();
  await page.evaluate(() => Object.assign(window, { notReloaded: true }));
  const made = await submitForTomorrow(page);
  const state = row(made.number).locator("[data-state]");
  await state.getByText("waiting").waitFor({ timeout: 5000 });
  await call(page, "POST", `/runs/${made.number}/cancel`, { reason: "seen" });
  await state.getByText("cancelled").waitFor({ timeout: 5000 });
  expect(await page.evaluate(() => Reflect.get(window, "notReloaded"))).toBe(true);
});

test("older runs are a page away, and the way back is the browser's", async () => {
  const { page } = here;
  await page.goto("/executors/");
  const made: number[] = [];
  for (let count = 0; count < 51; count += 1) made.push((await submitForTomorrow(page)).number);
  try {
    await page.goto("/runs/?q=nycflights-ingest");
    await row(made[50] ?? 0).waitFor();
    expect(await row(made[0] ?? 0).count()).toBe(0);
    await page.getByRole("button", { name: "Older" }).click();
    await row(made[0] ?? 0).waitFor();
    expect(page.url()).toContain("cursor=");
    await page.reload();
    await row(made[0] ?? 0).waitFor();
    await page.goBack();
    await row(made[50] ?? 0).waitFor();
  } finally {
    for (const number of made) await call(page, "POST", `/runs/${number}/cancel`, { reason: "paged" });
  }
});
