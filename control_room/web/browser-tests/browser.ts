import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  chromium,
  type Page,
} from "playwright-core";
import { baseUrl, chromiumPath } from "./settings";

const ARGUMENTS = [
  "--no-sandbox",
  "--disable-gpu",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export function startBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: chromiumPath(), args: ARGUMENTS });
}

export type Visit = { page: Page; context: BrowserContext; complaints: string[] };

/**
 * A page of its own. What the browser complains about (script errors, policy violations, failed requests) is gathered
 * in `complaints`; requests to any other origin are complaints, too.
 */
export async function visit(browser: Browser, options: BrowserContextOptions = {}): Promise<Visit> {
  const context = await browser.newContext({
    baseURL: baseUrl(),
    viewport: { width: 1360, height: 900 },
    ...options,
  });
  context.setDefaultTimeout(20_000);
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(`error: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") complaints.push(message.text());
  });
  page.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(baseUrl()) && !/^(data|blob):/.test(url)) complaints.push(`elsewhere: ${url}`);
  });
  return { page, context, complaints };
}

/** Calls the operator plane as the signed-in page, which is how the tests make runs to look at. */
export async function call<T>(
  page: Page,
  method: "GET" | "POST" | "PUT",
  path: string,
  body?: unknown,
): Promise<T> {
  if (page.url() === "about:blank") await page.goto("/executors/");
  const answer = await page.evaluate(
    async ([method, path, body]) => {
      const response = await fetch(`/api/v1${path}`, {
        method,
        ...(body === null ? {} : { body, headers: { "content-type": "application/json" } }),
      });
      return { ok: response.ok, status: response.status, text: await response.text() };
    },
    [method, path, body === undefined ? null : JSON.stringify(body)] as const,
  );
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`);
  return JSON.parse(answer.text) as T;
}

type Made = { number: number; run_id: string };

/** A run that waits for tomorrow, so that it can be looked at, cancelled and retried without doing any work. */
export function submitForTomorrow(page: Page): Promise<Made> {
  const not_before = new Date(Date.now() + 86_400_000).toISOString();
  const params = { schema_prefix: "uitests" };
  return call<Made>(page, "POST", "/runs", {
    template: "nycflights-ingest",
    params,
    not_before,
    labels: { made_by: "ui-tests" },
  });
}
