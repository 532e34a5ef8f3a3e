import { expect, test } from "vitest";
import { actionText, scopeText, shares } from "@/services/limits";

test("a scope is named as the command line takes it", () => {
  expect(scopeText({ workspace: null, template_name: null })).toBe("platform");
  expect(scopeText({ workspace: "default", template_name: null })).toBe("default");
  expect(scopeText({ workspace: "default", template_name: "nightly" })).toBe("default/nightly");
});

test("shares of a limit never go beyond the whole", () => {
  expect(shares({ limit: 10, used: 4, reserved: 1 })).toEqual({ used: 40, reserved: 10 });
  expect(shares({ limit: 10, used: 9, reserved: 5 })).toEqual({ used: 90, reserved: 10 });
  expect(shares({ limit: 10, used: 30, reserved: 5 })).toEqual({ used: 100, reserved: 0 });
  expect(shares({ limit: 0, used: 0, reserved: 0 })).toEqual({ used: 100, reserved: 0 });
});

test("what is done at a limit is told as far as it was said", () => {
  expect(actionText({ action: "cancel", grace_seconds: 5 })).toBe("cancel after 5 s");
  expect(actionText({ action: "warn", grace_seconds: null })).toBe("warn");
  expect(actionText({ action: null, grace_seconds: null })).toBe("cancel, if no scope says more");
});
