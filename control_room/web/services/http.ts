import { asArray, asText, isObject, parseExact } from "@/lib/json";
import type { components } from "@/types/api";

export type Schemas = components["schemas"];
export type FieldIssue = { path: string; message: string };

const BASE = "/api/v1";

/** An RFC 9457 problem, or what stands for one when the server could not be reached or did not answer as agreed. */
export class ProblemError extends Error {
  override readonly name = "ProblemError";

  constructor(
    readonly status: number,
    readonly code: string,
    readonly title: string,
    readonly detail: string,
    readonly issues: FieldIssue[] = [],
    readonly hint: string | null = null,
  ) {
    super(`${title}: ${detail}`);
  }

  get isUnauthenticated(): boolean {
    return this.status === 401;
  }

  /** Whether asking again can help: the network, a server error, or a service that is away for now. */
  get isTransient(): boolean {
    return this.status === 0 || this.status >= 500;
  }
}

/** How soon to ask again after a failure that can pass by itself (ms); false for one that asking does not mend. */
export function recheckAfter(error: Error | null): number | false {
  return error instanceof ProblemError && error.isTransient ? 5000 : false;
}

export function unreachable(): ProblemError {
  return new ProblemError(
    0,
    "unreachable",
    "The control room does not answer",
    "The browser could not reach the server. It may be stopped or starting.",
  );
}

export async function readProblem(response: Response): Promise<ProblemError> {
  const body: unknown = await response.json().catch(() => null);
  if (!isObject(body)) {
    const title = response.statusText || "Unexpected answer";
    return new ProblemError(
      response.status,
      "unexpected",
      title,
      `The server answered ${response.status} without saying why.`,
    );
  }
  return new ProblemError(
    response.status,
    asText(body.code) ?? "unexpected",
    asText(body.title) ?? "The request was refused",
    asText(body.detail) ?? `The server answered ${response.status}.`,
    asArray(body.errors).flatMap(readIssue),
    asText(body.hint),
  );
}

function readIssue(issue: unknown): FieldIssue[] {
  return isObject(issue) ? [{ path: String(issue.path ?? ""), message: String(issue.message ?? "") }] : [];
}

export type Query = Record<string, string | number | boolean | readonly string[] | null | undefined>;

export function buildUrl(path: string, query: Query = {}): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === null || value === undefined || value === "") continue;
    for (const item of Array.isArray(value) ? value : [value]) search.append(name, String(item));
  }
  const text = search.toString();
  return text ? `${BASE}${path}?${text}` : `${BASE}${path}`;
}

export async function getJson<T>(path: string, query?: Query, signal?: AbortSignal): Promise<T> {
  return send<T>(buildUrl(path, query), signal ? { signal } : {});
}

export async function sendJson<T>(method: "POST" | "DELETE", path: string, body?: unknown): Promise<T> {
  const init: RequestInit = { method };
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers = { "content-type": "application/json" };
  }
  return send<T>(buildUrl(path), init);
}

async function send<T>(url: string, init: RequestInit): Promise<T> {
  const response = await fetch(url, { credentials: "same-origin", ...init }).catch((error: unknown) => {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw unreachable();
  });
  if (!response.ok) throw await readProblem(response);
  if (response.status === 204) return undefined as T;
  return parseExact(await response.text()) as T;
}
