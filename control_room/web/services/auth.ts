import { queryOptions } from "@tanstack/react-query";
import { getJson, ProblemError, recheckAfter, type Schemas, sendJson } from "@/services/http";

export type Me = Schemas["Me"];

export const authKeys = { me: ["auth", "me"] as const };

/** Who is signed in; null when nobody is, which is an answer and not an error. */
export function meQuery() {
  return queryOptions({
    queryKey: authKeys.me,
    queryFn: async ({ signal }): Promise<Me | null> => {
      try {
        return await getJson<Me>("/auth/me", {}, signal);
      } catch (error) {
        if (error instanceof ProblemError && error.isUnauthenticated) return null;
        throw error;
      }
    },
    staleTime: 60_000,
    refetchInterval: ({ state }) => recheckAfter(state.error),
  });
}

export function openSession(code: string): Promise<Me> {
  return sendJson<Me>("POST", "/auth/sessions", { code });
}

export function endSession(): Promise<void> {
  return sendJson<void>("DELETE", "/auth/sessions");
}

/** Takes a bare code or a whole login link, as people paste either. */
export function readCode(text: string): string | null {
  const trimmed = text.trim();
  const fragment = trimmed.includes("#") ? trimmed.slice(trimmed.indexOf("#") + 1) : trimmed;
  const code = fragment.includes("code=") ? new URLSearchParams(fragment).get("code") : fragment;
  return code && /^[\w.~-]+$/.test(code) ? code : null;
}
