import { defineConfig } from "vitest/config";

export default defineConfig({
  resolve: { alias: { "@": import.meta.dirname } },
  // next/link reads the trailing slash from here, as the build does.
  define: { "process.env.__NEXT_TRAILING_SLASH": "true" },
  test: {
    include: ["{app,components,hooks,lib,services}/**/*.test.{ts,tsx}"],
    restoreMocks: true,
  },
});
