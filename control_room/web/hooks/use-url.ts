"use client";

import { usePathname, useSearchParams } from "next/navigation";
import { useCallback } from "react";

export type UrlChange = Record<string, string | readonly string[] | null>;

/** `search` with the given parameters replaced; null, "" and [] remove one. Order is kept, so links stay comparable. */
export function changeSearch(search: string, change: UrlChange): string {
  const next = new URLSearchParams(search);
  for (const [name, value] of Object.entries(change)) {
    next.delete(name);
    const values = value === null || value === "" ? [] : [value].flat();
    for (const item of values) next.append(name, item);
  }
  const text = next.toString();
  return text ? `?${text}` : "";
}

/** The page's parameters and a way to change them. The browser's history is used as it is: no request is made. */
export function useUrl() {
  const params = useSearchParams();
  const path = usePathname();
  const change = useCallback(
    (values: UrlChange, how: "push" | "replace" = "replace") => {
      const search = changeSearch(window.location.search, values);
      // A tab tells of its choice on press and on focus: the same address twice must not take two steps back.
      if (search === window.location.search) return;
      const url = path + search;
      if (how === "push") window.history.pushState(null, "", url);
      else window.history.replaceState(null, "", url);
    },
    [path],
  );
  return { params, change };
}
