"use client";

import { useEffect, useRef } from "react";
import { ArtifactsTab } from "@/components/run/artifacts-tab";
import { AttemptsTab } from "@/components/run/attempts-tab";
import { EventsTab } from "@/components/run/events-tab";
import { LimitsTab } from "@/components/run/limits-tab";
import { LineageTab } from "@/components/run/lineage-tab";
import { LogsTab } from "@/components/run/logs-tab";
import { OverviewTab } from "@/components/run/overview-tab";
import { ProvenanceTab } from "@/components/run/provenance-tab";
import { Tabs, TabsContent, TabsList, TabsTrigger } from "@/components/ui/tabs";
import { useUrl } from "@/hooks/use-url";
import type { RunDetail } from "@/services/runs";

const TABS = {
  overview: { text: "Overview", Content: OverviewTab },
  attempts: { text: "Attempts", Content: AttemptsTab },
  events: { text: "Events", Content: EventsTab },
  logs: { text: "Logs", Content: LogsTab },
  artifacts: { text: "Artifacts", Content: ArtifactsTab },
  limits: { text: "Limits", Content: LimitsTab },
  lineage: { text: "Lineage", Content: LineageTab },
  provenance: { text: "Provenance", Content: ProvenanceTab },
};
type TabName = keyof typeof TABS;

/** A pipeline run is never claimed, so it has no attempts, no logs and no caps of its own. */
const OF_PIPELINES: TabName[] = ["overview", "events", "artifacts", "lineage", "provenance"];
const OF_TASKS: TabName[] = [
  "overview",
  "attempts",
  "events",
  "logs",
  "artifacts",
  "limits",
  "lineage",
  "provenance",
];

export function RunTabs({ run }: { run: RunDetail }) {
  const { params, change } = useUrl();
  const names = run.kind === "pipeline" ? OF_PIPELINES : OF_TASKS;
  const open = names.find((name) => name === params.get("tab")) ?? "overview";
  const { Content } = TABS[open];
  const list = useRef<HTMLDivElement>(null);
  useEffect(() => bringIntoView(list.current, open), [open]);
  return (
    <Tabs
      value={open}
      onValueChange={(tab) =>
        change({ tab: tab === "overview" ? null : tab, stream: null, view: null }, "push")
      }
    >
      <TabsList ref={list} aria-label="Parts of this run">
        {names.map((name) => (
          <TabsTrigger key={name} value={name} data-tab={name}>
            {TABS[name].text}
            <Count value={countOf(run, name)} />
          </TabsTrigger>
        ))}
      </TabsList>
      <TabsContent value={open} tabIndex={-1}>
        <Content run={run} />
      </TabsContent>
    </Tabs>
  );
}

/** Where the tabs are wider than the window, a link to one of the last shows it. The page itself is not scrolled. */
function bringIntoView(list: HTMLElement | null, name: TabName): void {
  const tab = list?.querySelector(`[data-tab=${name}]`);
  if (!list || !tab) return;
  const [room, place] = [list.getBoundingClientRect(), tab.getBoundingClientRect()];
  list.scrollLeft += Math.max(0, place.right - room.right) + Math.min(0, place.left - room.left);
}

function countOf(run: RunDetail, name: TabName): number {
  if (name === "attempts") return run.attempts.length;
  if (name !== "artifacts") return 0;
  return run.kind === "pipeline"
    ? run.children.reduce((sum, child) => sum + child.artifact_count, 0)
    : run.artifact_count;
}

function Count({ value }: { value: number }) {
  if (value === 0) return null;
  return (
    <span className="figures max-sm:hidden rounded-sm bg-secondary px-1 text-2xs text-muted-foreground">
      {value}
    </span>
  );
}
