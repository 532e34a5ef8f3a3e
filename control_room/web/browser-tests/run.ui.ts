import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { Browser } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, test } from "vitest";
import { call, startBrowser, submitForTomorrow, type Visit, visit } from "./browser";
import { demoRun } from "./settings";

type Child = { number: number; task_key: string };
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

describe("the pipeline", () => {
  test("its tasks stand in order, as a graph and as a table, and lead to their runs", async () => {
    const { page } = here;
    await page.goto(`/run/?id=${demoRun()}`);
    await table("Tasks").waitFor();
    expect(
      await page.locator("tr[data-task]").evaluateAll((rows) => rows.map((row) => row.dataset.task)),
    ).toEqual(["ingest", "transform", "report"]);
    expect(await page.getByLabel("Tasks and what they wait for").locator("path[data-edge]").count()).toBe(2);
    const transform = page.locator('tr[data-task="transform"]');
    expect(await transform.textContent()).toContain("succeeded");
    expect(await transform.locator("td").nth(1).textContent()).toBe("ingest");
    await transform.getByRole("link", { name: "transform" }).click();
    await page.getByRole("heading", { name: /nycflights-transform/ }).waitFor();
    await page
      .getByRole("navigation", { name: "Breadcrumb" })
      .getByRole("link", { name: `#${demoRun()} nycflights` })
      .click();
    await table("Tasks").waitFor();
  });

  test("is found by its id as well as by its number, and the title says which run it is", async () => {
    const { run_id } = await call<{ run_id: string }>(here.page, "GET", `/runs/${demoRun()}`);
    await here.page.goto(`/run/?id=${run_id}`);
    await here.page.getByRole("heading", { name: new RegExp(`#${demoRun()}`) }).waitFor();
    await here.page.waitForFunction(
      (title) => document.title.startsWith(title),
      `#${demoRun()} nycflights, succeeded`,
    );
  });

  test("gathers the artifacts of its tasks", async () => {
    await here.page.goto(`/run/?id=${demoRun()}&tab=artifacts`);
    await here.page.locator('tr[data-artifact$=".html"]').first().waitFor();
    await here.page.locator('tr[data-artifact="manifest.json"]').waitFor();
  });
});

describe("a task", () => {
  test("ingest shows the rows of the five tables and the versions they were published as", async () => {
    await here.page.goto(`/run/?id=${tasks.ingest}`);
    const outputs = table("Outputs");
    await outputs.getByText("336,776").waitFor();
    expect(await outputs.getByRole("row").count()).toBe(6);
    expect(await outputs.getByText("committed").count()).toBe(5);
  });

  test("transform shows each model and test, and the versions of its inputs, 0 included", async () => {
    await here.page.goto(`/run/?id=${tasks.transform}`);
    const nodes = table("Models and tests");
    await nodes.getByText("gold_sums_equal_silver").waitFor();
    await nodes.getByText("silver_flights", { exact: true }).waitFor();
    const inputs = table("Inputs");
    const flights = inputs.getByRole("row").filter({ hasText: "bronze/flights" });
    expect(await flights.locator("td").nth(2).textContent()).toMatch(/^\d+$/);
    await flights.getByRole("link", { name: `#${tasks.ingest} ingest` }).waitFor();
  });

  test("tab and stream live in the address and survive a reload", async () => {
    const { page } = here;
    await page.goto(`/run/?id=${tasks.transform}`);
    await page.getByRole("tab", { name: "Logs" }).click();
    await page
      .getByRole("log")
      .getByText(/Done\. PASS=\d+/)
      .waitFor();
    await page.getByLabel("Stream").selectOption("stdout");
    expect(new URL(page.url()).search).toBe(`?id=${tasks.transform}&tab=logs&stream=stdout`);
    await page.reload();
    await page
      .getByRole("log")
      .getByText(/Done\. PASS=\d+/)
      .waitFor();
    expect(await page.getByLabel("Stream").inputValue()).toBe("stdout");
    expect(await page.getByRole("tab", { name: "Logs" }).getAttribute("aria-selected")).toBe("true");
    await page.goBack();
    await page.getByRole("tab", { name: "Overview", selected: true }).waitFor();
  });

  test("its events are linked by their hashes, and each opens", async () => {
    const { page } = here;
    await page.goto(`/run/?id=${tasks.ingest}&tab=events`);
    await page.getByText(/\d+ linked events/).waitFor();
    const types = await table("Events").locator("td:nth-child(3) code").allTextContents();
    expect(types[0]).toBe("run.submitted");
    expect(types.at(-1)).toBe("run.succeeded");
    await table("Events").locator("summary").first().click();
    await page.getByRole("region", { name: "data of event 1" }).waitFor();
  });

  test("its attempts name the executor and what they used", async () => {
    await here.page.goto(`/run/?id=${tasks.ingest}&tab=attempts`);
    await table("Attempts").getByText("succeeded").waitFor();
    expect(await table("Attempts").textContent()).toContain("wall");
  });
});

describe("artifacts", () => {
  test("a download has the bytes that its sha256 names, and verifying says so", async () => {
    const { page } = here;
    await page.goto(`/run/?id=${tasks.transform}&tab=artifacts`);
    const file = page.locator('tr[data-artifact="manifest.json"]');
    const prefix = await file.locator("td code").first().textContent();
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      file.getByRole("link", { name: "Download manifest.json" }).click(),
    ]);
    const bytes = await readFile(await download.path());
    expect(createHash("sha256").update(bytes).digest("hex").slice(0, 12)).toBe(prefix);
    await file.getByRole("button", { name: "Verify manifest.json" }).click();
    await file.getByText("sha256 matches").waitFor();
    // A download is handed to the object store by a redirect; nothing else leaves the origin.
    here.complaints = here.complaints.filter((complaint) => !complaint.includes(download.url()));
  });

  test("the report opens in place, with its plots, in a frame that can reach nothing", async () => {
    const { page } = here;
    await page.goto(`/run/?id=${tasks.report}&tab=artifacts`);
    const report = page.locator('tr[data-artifact$=".html"]');
    const name = await report.getAttribute("data-artifact");
    await report.getByRole("button", { name: `View ${name}` }).click();
    const frame = page.frameLocator("iframe");
    await frame.locator("img").first().waitFor();
    expect(
      await frame
        .locator("img")
        .first()
        .evaluate((image: HTMLImageElement) => image.naturalWidth),
    ).toBeGreaterThan(100);
    expect(await page.locator("iframe").getAttribute("sandbox")).toBe("allow-scripts");
    const place = await page.locator("iframe").boundingBox();
    expect(place?.y, "the report is below what the window shows").toBeLessThan(
      page.viewportSize()?.height ?? 0,
    );
    expect(await frame.locator("body").evaluate(() => window.origin)).toBe("null");
    await page.reload();
    await frame.locator("img").first().waitFor();
    await page.getByRole("button", { name: `Close ${name}` }).click();
    expect(await page.locator("iframe").count()).toBe(0);
  });
});

describe("a run that waits", () => {
  test("says why, is cancelled with a reason, and is retried as a new run", async () => {
    const { page } = here;
    const made = await submitForTomorrow(page);
    await page.goto(`/run/?id=${made.number}`);
    await page.getByRole("heading", { name: "Why is it not running?" }).waitFor();
    await page.locator("[aria-labelledby=why-title] li").first().waitFor();

    await page.getByRole("button", { name: "Cancel" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Reason, kept with the run").fill("wrong month");
    await dialog.getByRole("button", { name: "Cancel run" }).click();
    await page.locator("h1 [data-state=cancelled]").waitFor();
    await page.getByText("wrong month").first().waitFor();

    await page.getByRole("button", { name: "Retry" }).click();
    const again = page.getByRole("dialog");
    await again.getByLabel("With the newest version of the template").check();
    await again.getByRole("button", { name: "Make a new run" }).click();
    await page.waitForURL((url) => url.searchParams.get("id") !== String(made.number));
    await page.getByRole("link", { name: `#${made.number} nycflights-ingest` }).waitFor();
    const fresh = new URL(page.url()).searchParams.get("id");
    await call(page, "POST", `/runs/${fresh}/cancel`, { reason: "seen", force: true });
  });

  test("a dialog is left by Escape, with nothing done and the focus where it was", async () => {
    const { page } = here;
    const made = await submitForTomorrow(page);
    await page.goto(`/run/?id=${made.number}`);
    await page.getByRole("button", { name: "Cancel" }).focus();
    await page.keyboard.press("Enter");
    await page.getByRole("dialog").waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    expect(await page.evaluate(() => document.activeElement?.textContent)).toContain("Cancel");
    expect((await call<{ state: string }>(page, "GET", `/runs/${made.number}`)).state).toBe("waiting");
    await call(page, "POST", `/runs/${made.number}/cancel`, { reason: "seen" });
  });
});

describe("a run at work", () => {
  test("shows its state and its lines as they come, without a reload", async () => {
    const { page } = here;
    const params = { schema_prefix: "uitests" };
    const made = await call<Child>(page, "POST", "/runs", { template: "nycflights-ingest", params });
    await page.goto(`/run/?id=${made.number}&tab=logs`);
    await page.evaluate(() => Object.assign(window, { notReloaded: true }));
    await page.getByRole("log").getByText("flights: 336776 rows").waitFor({ timeout: 45_000 });
    await page.locator("h1 [data-state=succeeded]").waitFor({ timeout: 45_000 });
    expect(await page.evaluate(() => Reflect.get(window, "notReloaded"))).toBe(true);
  });

  test("that breaks a cap ends with the error, its class and what the cap saw", async () => {
    const { page } = here;
    const params = { schema_prefix: "uitests" };
    const body = { template: "nycflights-ingest", params, caps: { wall_seconds: 1 }, max_attempts: 1 };
    const made = await call<Child>(page, "POST", "/runs", body);
    await page.goto(`/run/?id=${made.number}`);
    await page.locator("h1 [data-state=failed]").waitFor({ timeout: 45_000 });
    const error = page.getByRole("region", { name: "Error", exact: true });
    await error.getByText("resources").waitFor();
    const passed = page.getByRole("region", { name: "Caps passed" });
    await passed.getByText(/wall/).first().waitFor();
    await passed.getByRole("link", { name: "All caps of this run" }).click();
    const cap = await table("Caps").locator("tr[data-cap=wall_seconds]").textContent();
    expect(cap).toMatch(/^wall time1\.\d s 1\d\d %1\.0 scancel/);
    expect(await table("What caps did").textContent()).toContain("watchdog");
    expect(await table("How soon it stopped").textContent()).toContain("a cap was passed");
  });
});

describe("what is not there", () => {
  test("a run that does not exist is a problem with a way on", async () => {
    await here.page.goto("/run/?id=987654321");
    await here.page.locator("[data-slot=problem]").getByText("run_not_found").waitFor();
    await here.page.getByRole("link", { name: "Go to the runs" }).waitFor();
    here.complaints = here.complaints.filter((complaint) => !complaint.includes("404"));
  });

  test("an address without a run, and one without a page, say so", async () => {
    await here.page.goto("/run/?id=%3Cscript%3E");
    await here.page.getByRole("heading", { name: "Which run?" }).waitFor();
    const answer = await here.page.goto("/no/such/page/");
    expect(answer?.status()).toBe(404);
    await here.page.getByRole("heading", { name: "There is no such page" }).waitFor();
    here.complaints = here.complaints.filter((complaint) => !complaint.includes("404"));
  });
});
