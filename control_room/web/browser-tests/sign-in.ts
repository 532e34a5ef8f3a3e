import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { startBrowser } from "./browser";
import { loginUrls } from "./settings";

declare module "vitest" {
  interface ProvidedContext {
    session: string;
  }
}

/** Signs in once, through the page as a person does, and hands the session's cookie to all tests. */
export default async function setUp(project: TestProject) {
  const folder = await mkdtemp(join(tmpdir(), "control-room-ui-"));
  const session = join(folder, "session.json");
  const browser = await startBrowser();
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(loginUrls()[0]);
  await page.waitForURL("**/runs/");
  await context.storageState({ path: session });
  await browser.close();
  project.provide("session", session);
  return () => rm(folder, { recursive: true });
}
