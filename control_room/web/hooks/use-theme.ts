"use client";

import { useCallback, useEffect, useSyncExternalStore } from "react";
import { isDark, isTheme, THEME_KEY, type Theme } from "@/lib/theme";

const CHANGED = "theme-changed";
const DARK = "(prefers-color-scheme: dark)";

function read(): Theme {
  const stored = window.localStorage.getItem(THEME_KEY);
  return isTheme(stored) ? stored : "system";
}

function subscribe(changed: () => void): () => void {
  window.addEventListener("storage", changed);
  window.addEventListener(CHANGED, changed);
  return () => {
    window.removeEventListener("storage", changed);
    window.removeEventListener(CHANGED, changed);
  };
}

/** The chosen theme and how to choose another; follows the system, and other tabs. */
export function useTheme(): [Theme, (theme: Theme) => void] {
  const theme = useSyncExternalStore(subscribe, read, () => "system" as Theme);
  useEffect(() => {
    const system = window.matchMedia(DARK);
    const show = () => document.documentElement.classList.toggle("dark", isDark(theme, system.matches));
    show();
    system.addEventListener("change", show);
    return () => system.removeEventListener("change", show);
  }, [theme]);
  const choose = useCallback((next: Theme) => {
    window.localStorage.setItem(THEME_KEY, next);
    window.dispatchEvent(new Event(CHANGED));
  }, []);
  return [theme, choose];
}
