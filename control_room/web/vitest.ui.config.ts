import { defineConfig } from "vitest/config";

// The browser tests drive a live control room: UI_URL and UI_LOGIN_URLS say where it is and how to sign in
// (tests/ui/test_dashboard.py starts one, runs the demo and calls this). One browser at a time: they share one stack.
export default defineConfig({
  resolve: { alias: { "@": import.meta.dirname } },
  test: {
    include: ["browser-tests/**/*.ui.ts"],
    globalSetup: ["browser-tests/sign-in.ts"],
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    retry: 0,
  },
});
