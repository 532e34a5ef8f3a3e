import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { startBrowser, visit } from "./browser";
import { baseUrl, demoRun, loginUrls } from "./settings";

let browser: Browser;
beforeAll(async () => {
  browser = await startBrowser();
});
afterAll(() => browser.close());

test("a link signs one browser in, leaves no code behind, and signing out ends the session", async () => {
  const { page, context } = await visit(browser);
  await page.goto(loginUrls()[1]);
  await page.waitForURL(`${baseUrl()}/runs/`);
  const [cookie] = await context.cookies();
  expect(cookie).toMatchObject({
    name: `ops_session_${new URL(baseUrl()).port}`,
    httpOnly: true,
    sameSite: "Strict",
  });
  await page.goBack();
  expect(page.url()).not.toContain("code=");
  await page.goto("/runs/");
  await page.getByRole("button", { name: /^Account/ }).click();
  await page.getByRole("menuitem", { name: "Sign out" }).click();
  await page.getByRole("heading", { name: "You are not signed in" }).waitFor();
  const answer = await context.request.get("/api/v1/auth/me", {
    headers: { cookie: `${cookie?.name}=${cookie?.value}` },
  });
  expect(answer.status()).toBe(401);
  await context.close();
});

test("a link that was used says so and what to do", async () => {
  const { page, context } = await visit(browser);
  await page.goto(loginUrls()[0]);
  const alert = page.locator("[data-slot=problem]");
  await alert.getByText("login_code_invalid").waitFor();
  expect(await alert.textContent()).toContain("control-room login");
  expect(page.url()).not.toContain("code=");
  await context.close();
});

test("the sign-in page explains itself, and says when what was pasted is no link", async () => {
  const { page, context } = await visit(browser);
  await page.goto("/login/");
  await page.getByText("control-room login").waitFor();
  await page.getByLabel("Or paste the link or its code").fill("not a code");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText("This is neither a sign-in link nor its code.").waitFor();
  await context.close();
});

test("a deep link without a session says how to sign in, and shows the page once there is one", async () => {
  const { page, context } = await visit(browser);
  await page.goto(`/run/?id=${demoRun()}`);
  await page.getByRole("heading", { name: "You are not signed in" }).waitFor();
  const signedIn = await browser.newContext({ storageState: inject("session") });
  await context.addCookies(await signedIn.cookies());
  await page.evaluate(() => window.dispatchEvent(new Event("visibilitychange")));
  await page.getByRole("heading", { name: new RegExp(`#${demoRun()}`) }).waitFor();
  await signedIn.close();
  await context.close();
});
