import { afterEach, describe, expect, test, vi } from "vitest";
import { buildUrl, getJson, ProblemError, readProblem, recheckAfter, sendJson } from "@/services/http";

function problem(status: number, body: unknown): Response {
  return new Response(typeof body === "string" ? body : JSON.stringify(body), { status });
}

afterEach(() => vi.unstubAllGlobals());

describe("addresses", () => {
  test("what is empty is left out, what repeats is repeated, what is odd is escaped", () => {
    const query = { state: ["failed", "queued"], q: "a b&c", kind: null, cursor: "", limit: 50 };
    expect(buildUrl("/runs", query)).toBe("/api/v1/runs?state=failed&state=queued&q=a+b%26c&limit=50");
    expect(buildUrl("/runs")).toBe("/api/v1/runs");
  });
});

describe("problems", () => {
  test("an RFC 9457 body keeps its title, detail, code, hint and fields", async () => {
    const body = {
      title: "Bad",
      detail: "it is",
      code: "params_invalid",
      hint: "fix it",
      errors: [{ path: "/a", message: "no" }],
    };
    const error = await readProblem(problem(422, body));
    expect(error).toMatchObject({
      status: 422,
      title: "Bad",
      detail: "it is",
      code: "params_invalid",
      hint: "fix it",
    });
    expect(error.issues).toEqual([{ path: "/a", message: "no" }]);
  });

  test("a body that is no problem still says what was answered", async () => {
    const error = await readProblem(problem(502, "<html>bad gateway</html>"));
    expect(error.detail).toBe("The server answered 502 without saying why.");
    expect(error.isTransient).toBe(true);
  });

  test("a server out of reach is a problem, too", async () => {
    vi.stubGlobal("fetch", () => Promise.reject(new TypeError("network")));
    await expect(getJson("/runs")).rejects.toMatchObject({ code: "unreachable", status: 0 });
  });

  test("what passes by itself is asked again, what does not is not", () => {
    expect(recheckAfter(new ProblemError(503, "database_unavailable", "", ""))).toBe(5000);
    expect(recheckAfter(new ProblemError(404, "run_not_found", "", ""))).toBe(false);
    expect(recheckAfter(null)).toBe(false);
  });

  test("a read that was given up is no problem", async () => {
    vi.stubGlobal("fetch", () => Promise.reject(new DOMException("given up", "AbortError")));
    await expect(getJson("/runs")).rejects.toMatchObject({ name: "AbortError" });
    await expect(getJson("/runs")).rejects.not.toBeInstanceOf(ProblemError);
  });
});

test("a change is sent as JSON, and an answer without a body is fine", async () => {
  const fetch = vi.fn(() => Promise.resolve(new Response(null, { status: 204 })));
  vi.stubGlobal("fetch", fetch);
  await expect(sendJson("POST", "/runs/1/cancel", { force: true })).resolves.toBeUndefined();
  expect(fetch).toHaveBeenCalledWith("/api/v1/runs/1/cancel", {
    method: "POST",
    body: '{"force":true}',
    headers: { "content-type": "application/json" },
    credentials: "same-origin",
  });
});
