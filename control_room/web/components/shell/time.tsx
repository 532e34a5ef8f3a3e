"use client";

import { useNow } from "@/hooks/use-now";
import { elapsed, formatDuration, formatExact, formatRelative, formatTicking } from "@/lib/format";

/** How long ago, with the exact local time on hover and the ISO text for machines. */
export function RelativeTime({ at }: { at: string | null }) {
  const now = useNow(10_000, at !== null);
  if (!at) return <span className="text-muted-foreground">–</span>;
  return (
    <time dateTime={at} title={formatExact(at)} className="figures whitespace-nowrap">
      {formatRelative(at, now)}
    </time>
  );
}

type DurationProps = { from: string | null; to: string | null };

/** Time from `from` to `to`; ticks each second while there is no end yet. */
export function Duration({ from, to }: DurationProps) {
  const open = from !== null && to === null;
  const now = useNow(1000, open);
  const ms = elapsed(from, to, now);
  const text = open && ms !== null ? formatTicking(ms) : formatDuration(ms);
  return <span className="figures whitespace-nowrap">{text}</span>;
}
