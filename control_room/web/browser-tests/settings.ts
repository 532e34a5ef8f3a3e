import { existsSync } from "node:fs";

/** The settings of the browser tests; a missing one says how to run them. */
function required(name: string): string {
  const value = process.env[name];
  if (!value)
    throw new Error(`${name} is not set. Run \`pytest tests/ui\`, which starts a stack and sets it.`);
  return value;
}

export function baseUrl(): string {
  return required("UI_URL").replace(/\/$/, "");
}

/** One-time links of `control-room login`: the first signs the tests in, the second is for the test that signs out. */
export function loginUrls(): [string, string] {
  const [first, second] = required("UI_LOGIN_URLS").split(/\s+/);
  if (!first || !second)
    throw new Error("UI_LOGIN_URLS needs two links of `control-room login`, with a space between.");
  return [first, second];
}

/** The number of the demo's pipeline run. */
export function demoRun(): number {
  return Number(required("UI_DEMO_RUN"));
}

/** The server's process, for the test that kills it; whoever runs the stack starts it anew. */
export function serverPid(): number {
  return Number(required("UI_SERVER_PID"));
}

export function chromiumPath(): string {
  const path = process.env.CHROMIUM_PATH ?? "/usr/bin/chromium";
  if (!existsSync(path)) {
    throw new Error(
      `There is no Chromium at ${path}. Install it (apt-get install chromium) or set CHROMIUM_PATH.`,
    );
  }
  return path;
}
