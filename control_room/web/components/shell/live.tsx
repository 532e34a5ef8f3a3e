"use client";

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { createContext, type ReactNode, useContext, useEffect, useState } from "react";
import { cn } from "@/lib/cn";
import { meQuery } from "@/services/auth";
import { runKeys } from "@/services/runs";
import { applyEvents, batch, follow, type StreamStatus } from "@/services/stream";

const LiveContext = createContext<StreamStatus | null>(null);
const BATCH_MS = 400;

/** Follows the event stream while somebody is signed in, and keeps what is on the screen current. */
export function LiveProvider({ children }: { children: ReactNode }) {
  const client = useQueryClient();
  const { data: me } = useQuery(meQuery());
  const [status, setStatus] = useState<StreamStatus>("connecting");
  const signedIn = Boolean(me);
  useEffect(() => {
    if (!signedIn) return;
    const batched = batch((events) => applyEvents(client, events), BATCH_MS);
    const stop = follow({
      onEvent: batched.add,
      onStatus: setStatus,
      onGap: () => void client.invalidateQueries({ queryKey: runKeys.all }),
    });
    return () => {
      stop();
      batched.stop();
    };
  }, [client, signedIn]);
  return <LiveContext value={signedIn ? status : null}>{children}</LiveContext>;
}

const SHOWN: Record<StreamStatus, { text: string; hint: string; dot: string }> = {
  connecting: { text: "Connecting", hint: "Opening the event stream.", dot: "bg-waiting animate-pulse" },
  live: { text: "Live", hint: "Changes show as they happen.", dot: "bg-succeeded" },
  reconnecting: {
    text: "Reconnecting",
    hint: "The event stream broke off; it resumes where it stopped.",
    dot: "bg-waiting animate-pulse",
  },
  offline: { text: "Offline", hint: "The server does not answer; trying again.", dot: "bg-failed" },
};

export function LiveIndicator() {
  const status = useContext(LiveContext);
  if (!status) return null;
  const { text, hint, dot } = SHOWN[status];
  return (
    <span
      role="status"
      title={hint}
      className="inline-flex items-center gap-1.5 text-xs text-muted-foreground"
      data-live={status}
    >
      <span aria-hidden className={cn("size-2 rounded-full", dot)} />
      <span className="max-sm:sr-only">{text}</span>
    </span>
  );
}
