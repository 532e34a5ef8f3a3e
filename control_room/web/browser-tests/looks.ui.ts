import axe from "axe-core";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { dataHref } from "@/lib/lineage";
import { call, startBrowser, visit } from "./browser";
import { demoRun } from "./settings";

type Child = { number: number; task_key: string };
let browser: Browser;
let pages: Record<string, string>;
beforeAll(async () => {
  browser = await startBrowser();
  const { page, context } = await visit(browser, { storageState: inject("session") });
  await setLimits(page, 1_000_000);
  const { children } = await call<{ children: Child[] }>(page, "GET", `/runs/${demoRun()}`);
  const number = (key: string) => children.find((child) => child.task_key === key)?.number;
  pages = {
    runs: "/runs/?kind=pipeline",
    pipeline: `/run/?id=${demoRun()}`,
    overview: `/run/?id=${number("transform")}`,
    attempts: `/run/?id=${number("transform")}&tab=attempts`,
    events: `/run/?id=${number("transform")}&tab=events`,
    logs: `/run/?id=${number("transform")}&tab=logs`,
    artifacts: `/run/?id=${number("report")}&tab=artifacts`,
    "limits of a run": `/run/?id=${number("transform")}&tab=limits`,
    lineage: `/run/?id=${number("transform")}&tab=lineage`,
    provenance: `/run/?id=${number("transform")}&tab=provenance`,
    "provenance of a pipeline": `/run/?id=${demoRun()}&tab=provenance`,
    data: await dataPage(page, number("transform")),
    limits: "/limits/",
    executors: "/executors/",
    login: "/login/",
  };
  await context.close();
});
afterAll(async () => {
  const { page } = await visit(browser, { storageState: inject("session") });
  await setLimits(page, null);
  await browser.close();
});

/** Rows for the page of limits; they are too wide to hold anything back. */
async function setLimits(page: Page, limit: number | null): Promise<void> {
  const scope = { scope: "platform", scope_ref: null };
  await call(page, "PUT", "/budgets", { ...scope, unit: "runs", period: "total", limit });
  await call(page, "PUT", "/caps", { ...scope, cap: "wall_seconds", limit });
}

/** The page of the first thing that a run read. */
async function dataPage(page: Page, run: number | undefined): Promise<string> {
  type Lineage = { inputs: { namespace: string; name: string }[] };
  const { inputs } = await call<Lineage>(page, "GET", `/runs/${run}/lineage`);
  const [first] = inputs;
  if (!first) throw new Error("the demo's transform has read nothing");
  return dataHref(first);
}

const NAMES = [
  "runs",
  "pipeline",
  "overview",
  "attempts",
  "events",
  "logs",
  "artifacts",
  "limits of a run",
  "lineage",
  "provenance",
  "provenance of a pipeline",
  "data",
  "limits",
  "executors",
  "login",
];
const READY: Record<string, string> = { logs: "[role=log]", login: "form" };

async function open(page: Page, name: string): Promise<void> {
  await page.goto(pages[name] ?? "/");
  await page
    .locator(READY[name] ?? "tbody tr")
    .first()
    .waitFor();
}

async function violations(page: Page): Promise<string[]> {
  const found = await page.evaluate(() =>
    (window as unknown as { axe: typeof axe }).axe.run({
      runOnly: ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"],
    }),
  );
  return found.violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html}`));
}

describe.each(NAMES)("%s", (name) => {
  test("meets WCAG 2.2 AA as far as axe can tell, light and dark, and fits a telephone's width", async () => {
    const { page, context } = await visit(browser, { storageState: inject("session"), colorScheme: "light" });
    await open(page, name);
    await page.evaluate(axe.source);
    expect(await violations(page)).toEqual([]);
    await page.emulateMedia({ colorScheme: "dark" });
    await page.locator("html.dark").waitFor();
    expect(await violations(page)).toEqual([]);
    await page.setViewportSize({ width: 390, height: 844 });
    expect(await violations(page)).toEqual([]);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    expect(wide).toBeLessThanOrEqual(390);
    await context.close();
  });
});

test("the chosen theme is there before the first paint, and other tabs follow", async () => {
  const { page, context } = await visit(browser, { storageState: inject("session"), colorScheme: "light" });
  await open(page, "runs");
  const other = await context.newPage();
  await open(other, "executors");
  await page.getByRole("button", { name: /^Theme/ }).click();
  await page.getByRole("menuitemradio", { name: "dark" }).click();
  await other.locator("html.dark").waitFor();
  // The class is looked at as soon as there is a body, which is before anything is painted.
  await page.addInitScript(() => {
    new MutationObserver((_, observer) => {
      if (!document.body) return;
      Object.assign(window, { darkAtFirst: document.documentElement.classList.contains("dark") });
      observer.disconnect();
    }).observe(document, { childList: true, subtree: true });
  });
  await page.reload();
  expect(await page.evaluate(() => Reflect.get(window, "darkAtFirst"))).toBe(true);
  await context.close();
});

test("the list is reached and left by keyboard alone, with the focus in sight", async () => {
  const { page, context } = await visit(browser, { storageState: inject("session") });
  await open(page, "runs");
  await page.keyboard.press("Tab");
  expect(await page.evaluate(() => document.activeElement?.textContent)).toBe("Skip to the content");
  const link = page.locator(`tr[data-run="${demoRun()}"] a`).first();
  await link.focus();
  await page.keyboard.press("Shift+Tab");
  await page.keyboard.press("Tab");
  const outline = await link.evaluate((element) => getComputedStyle(element).outlineStyle);
  expect(outline).toBe("solid");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: new RegExp(`#${demoRun()}`) }).waitFor();
  await context.close();
});
