import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { call, startBrowser, submitForTomorrow, visit } from "./browser";
import { serverPid } from "./settings";

let browser: Browser;
beforeAll(async () => {
  browser = await startBrowser();
});
afterAll(() => browser.close());

test("a killed server is told of, and an open page is live and complete again by itself once there is a new one", async () => {
  const { page, context } = await visit(browser, { storageState: inject("session") });
  const other = await context.newPage();
  await other.goto("/executors/");
  await page.goto("/runs/");
  const made = await submitForTomorrow(other);
  const row = page.locator(`tr[data-run="${made.number}"] [data-state]`);
  await row.getByText("waiting").waitFor();
  await page.evaluate(() => Object.assign(window, { notReloaded: true }));

  process.kill(serverPid(), "SIGKILL");
  await page.locator("[data-live]:not([data-live=live])").waitFor();
  await expect
    .poll(
      () =>
        call(other, "GET", "/info").then(
          () => "up",
          () => "down",
        ),
      { timeout: 45_000 },
    )
    .toBe("up");
  await call(other, "POST", `/runs/${made.number}/cancel`, { reason: "after the outage" });

  await page.locator("[data-live=live]").waitFor({ timeout: 30_000 });
  await row.getByText("cancelled").waitFor();
  expect(await page.evaluate(() => Reflect.get(window, "notReloaded"))).toBe(true);
  expect(await page.locator("[data-slot=problem]").count()).toBe(0);
  await context.close();
});
