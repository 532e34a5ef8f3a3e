import axe from "axe-core";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { call, startBrowser, visit } from "./browser";
import { demoRun } from "./settings";

type Child = { number: number; task_key: string };
let browser: Browser;
let pages: Record<string, string>;
beforeAll(async () => {
  browser = await startBrowser();
  const { page, context } = await visit(browser, { storageState: inject("session") });
  const { children } = await call<{ children: Child[] }>(page, "GET", `/runs/${demoRun()}`);
  const number = (key: string) => children.find((child) => child.task_key === key)?.number;
  pages = {
    runs: "/runs/?top_level=false",
    pipeline: `/run/?id=${demoRun()}`,
    overview: `/run/?id=${number("transform")}`,
    attempts: `/run/?id=${number("transform")}&tab=attempts`,
    events: `/run/?id=${number("transform")}&tab=events`,
    logs: `/run/?id=${number("transform")}&tab=logs`,
    artifacts: `/run/?id=${number("report")}&tab=artifacts`,
    executors: "/executors/",
    login: "/login/",
  };
  await context.close();
});
afterAll(() => browser.close());

const NAMES = [
  "runs",
  "pipeline",
  "overview",
  "attempts",
  "events",
  "logs",
  "artifacts",
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

describe.each(["light", "dark"] as const)("in the %s theme", (colorScheme) => {
  test.each(NAMES)("%s meets WCAG 2.2 AA as far as axe can tell", async (name) => {
    const { page, context } = await visit(browser, { storageState: inject("session"), colorScheme });
    await open(page, name);
    await page.evaluate(axe.source);
    const { violations } = await page.evaluate(() =>
      (window as unknown as { axe: typeof axe }).axe.run({
        runOnly: ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"],
      }),
    );
    expect(violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html}`))).toEqual([]);
    await context.close();
  });
});

test.each(NAMES)("%s fits a telephone's width without scrolling sideways", async (name) => {
  const options = { storageState: inject("session"), viewport: { width: 390, height: 844 } };
  const { page, context } = await visit(browser, options);
  await open(page, name);
  const [content, screen] = await page.evaluate(() => [
    document.documentElement.scrollWidth,
    window.innerWidth,
  ]);
  expect(content).toBeLessThanOrEqual(screen ?? 0);
  await context.close();
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
