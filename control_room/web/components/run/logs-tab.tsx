"use client";

import { ArrowDownToLine, WrapText } from "lucide-react";
import { memo, useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import { Command, Notice } from "@/components/shell/notice";
import { ProblemNotice } from "@/components/shell/problem";
import { Card, CardHeader } from "@/components/ui/card";
import { Select } from "@/components/ui/input";
import { Skeleton } from "@/components/ui/skeleton";
import { Toggle } from "@/components/ui/toggle";
import { type Logs, useLogs } from "@/hooks/use-logs";
import { useUrl } from "@/hooks/use-url";
import { cn } from "@/lib/cn";
import { formatBytes, formatClock, formatCount, formatExact } from "@/lib/format";
import { assembleLogs, type LogItem } from "@/lib/logs";
import { isTerminal } from "@/lib/states";
import type { RunDetail } from "@/services/runs";

const MOST_ITEMS = 5000;

export function LogsTab({ run }: { run: RunDetail }) {
  const { params, change } = useUrl();
  const stream = params.get("stream");
  const live = !isTerminal(run.state);
  const logs = useLogs(run.run_id, live);
  const [follow, setFollow] = useState(live);
  const [wrap, setWrap] = useState(true);
  const all = useMemo(() => assembleLogs(logs.chunks, logs.trimmed), [logs.chunks, logs.trimmed]);
  const streams = useMemo(() => [...new Set(logs.chunks.map((chunk) => chunk.stream))].sort(), [logs.chunks]);
  const items = useMemo(() => onlyStream(all, stream), [all, stream]);
  return (
    <Card aria-label="Logs">
      <CardHeader>
        <StreamSelect value={stream} streams={streams} change={(value) => change({ stream: value })} />
        <span className="flex flex-wrap items-center gap-2">
          <span className="figures mr-1 text-xs text-muted-foreground">
            {formatCount(countLines(items))} lines
          </span>
          <Toggle pressed={wrap} onClick={() => setWrap(!wrap)}>
            <WrapText aria-hidden /> wrap
          </Toggle>
          <Toggle pressed={follow} onClick={() => setFollow(!follow)} title="Keep the newest line in view">
            <ArrowDownToLine aria-hidden /> follow
          </Toggle>
        </span>
      </CardHeader>
      {logs.error && <ProblemNotice error={logs.error} className="m-3" />}
      <LogView run={run} logs={logs} items={items} follow={follow} setFollow={setFollow} wrap={wrap} />
    </Card>
  );
}

function onlyStream(items: LogItem[], stream: string | null): LogItem[] {
  if (!stream) return items;
  return items.filter((item) => item.kind === "epoch" || item.stream === stream);
}

function countLines(items: LogItem[]): number {
  return items.filter((item) => item.kind === "line").length;
}

type StreamSelectProps = { value: string | null; streams: string[]; change: (value: string | null) => void };

function StreamSelect({ value, streams, change }: StreamSelectProps) {
  const options = [...new Set([...streams, ...(value ? [value] : [])])];
  return (
    <Select
      aria-label="Stream"
      value={value ?? ""}
      onChange={(event) => change(event.currentTarget.value || null)}
    >
      <option value="">All streams</option>
      {options.map((name) => (
        <option key={name} value={name}>
          {name}
        </option>
      ))}
    </Select>
  );
}

type LogViewProps = {
  run: RunDetail;
  logs: Logs;
  items: LogItem[];
  follow: boolean;
  setFollow: (follow: boolean) => void;
  wrap: boolean;
};

function LogView({ run, logs, items, follow, setFollow, wrap }: LogViewProps) {
  const box = useRef<HTMLDivElement>(null);
  const shown = items.slice(-MOST_ITEMS);
  const attempts = useMemo(
    () => new Map(run.attempts.map((attempt) => [attempt.epoch, attempt.attempt])),
    [run.attempts],
  );

  // biome-ignore lint/correctness/useExhaustiveDependencies: scrolls whenever lines are added
  useLayoutEffect(() => {
    if (follow && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [follow, items, wrap]);
  useStopFollowing(box, setFollow);

  if (items.length === 0) return <NoLines run={run} loading={logs.loading} />;
  return (
    <div
      ref={box}
      role="log"
      aria-label="Log lines"
      aria-live={follow ? "polite" : "off"}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: scrollable content must be reachable by keyboard (WCAG 2.1.1)
      tabIndex={0}
      className="max-h-[65vh] min-h-40 overflow-auto rounded-b-lg bg-log py-2 focus-visible:outline-offset-[-2px]"
    >
      {(logs.trimmed || shown.length < items.length) && <LeftOut run={run} />}
      <div
        className={cn(
          "log-lines font-mono text-xs leading-5",
          wrap ? "wrap-anywhere whitespace-pre-wrap" : "w-max min-w-full whitespace-pre",
        )}
      >
        {shown.map((item) => (
          <Item key={item.id} item={item} attempt={attempts.get(item.epoch) ?? null} />
        ))}
      </div>
    </div>
  );
}

/** Whoever scrolls up wants to read there: only a wheel, touch or key moves the follow switch, not our own scrolling. */
function useStopFollowing(
  box: React.RefObject<HTMLDivElement | null>,
  setFollow: (follow: boolean) => void,
): void {
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const look = () => {
      requestAnimationFrame(() => {
        const below = element.scrollHeight - element.scrollTop - element.clientHeight;
        if (below > 40) setFollow(false);
      });
    };
    const names = ["wheel", "touchmove", "keydown"] as const;
    for (const name of names) element.addEventListener(name, look, { passive: true });
    return () => {
      for (const name of names) element.removeEventListener(name, look);
    };
  });
}

function LeftOut({ run }: { run: RunDetail }) {
  return (
    <p className="px-4 pb-2 text-xs text-muted-foreground">
      Only the end is shown. The whole log: <Command>{`control-room runs logs ${run.number}`}</Command>
    </p>
  );
}

function NoLines({ run, loading }: { run: RunDetail; loading: boolean }) {
  if (loading) {
    return (
      <div className="space-y-2 p-4">
        <Skeleton className="h-3 w-2/3" />
        <Skeleton className="h-3 w-1/2" />
        <Skeleton className="h-3 w-3/4" />
      </div>
    );
  }
  return (
    <Notice title="No log lines">
      {isTerminal(run.state) ? "This run wrote nothing." : "Lines show here as soon as the run writes them."}
    </Notice>
  );
}

type ItemProps = { item: LogItem; attempt: number | null };

const Item = memo(function Item({ item, attempt }: ItemProps) {
  if (item.kind === "epoch") return <EpochMark epoch={item.epoch} attempt={attempt} />;
  if (item.kind === "gap") return <GapMark item={item} />;
  const stderr = item.stream === "stderr";
  return (
    <div
      className={cn(
        "flex gap-3 border-l-2 border-transparent pr-4 pl-3.5 hover:bg-accent/60",
        stderr && "border-waiting/70",
      )}
    >
      <time
        dateTime={item.at}
        title={`${formatExact(item.at)}, ${item.stream}`}
        className="shrink-0 text-muted-foreground select-none max-sm:hidden"
      >
        {formatClock(item.at)}
      </time>
      {stderr && <span className="sr-only">stderr: </span>}
      <span className="min-w-0 flex-1">{item.text || " "}</span>
    </div>
  );
});

function EpochMark({ epoch, attempt }: { epoch: number; attempt: number | null }) {
  return (
    <div className="flex items-center gap-3 px-4 py-1 font-sans text-xs text-muted-foreground">
      <span>{attempt === null ? `epoch ${epoch}` : `Attempt ${attempt}, epoch ${epoch}`}</span>
      <span aria-hidden className="h-px flex-1 bg-border" />
    </div>
  );
}

function GapMark({ item }: { item: Extract<LogItem, { kind: "gap" }> }) {
  const size = item.bytes === null ? "" : ` (${formatBytes(item.bytes)})`;
  const chunks = item.chunks === 1 ? "1 chunk" : `${item.chunks} chunks`;
  return (
    <div className="my-0.5 border-y border-dashed border-waiting/60 bg-waiting/8 px-4 py-0.5 font-sans text-xs text-waiting">
      Gap in {item.stream}: {chunks} did not arrive{size}
    </div>
  );
}
