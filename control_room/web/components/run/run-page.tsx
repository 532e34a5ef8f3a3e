"use client";

import { useQuery } from "@tanstack/react-query";
import Link from "next/link";
import { useEffect } from "react";
import { ErrorPanel } from "@/components/run/error-panel";
import { RunHeader } from "@/components/run/run-header";
import { RunTabs } from "@/components/run/run-tabs";
import { Tasks } from "@/components/run/tasks";
import { WhyPanel } from "@/components/run/why-panel";
import { readRunRef } from "@/components/runs/filters";
import { ProgressMeter } from "@/components/runs/progress";
import { Notice } from "@/components/shell/notice";
import { ProblemNotice } from "@/components/shell/problem";
import { Button } from "@/components/ui/button";
import { Skeleton } from "@/components/ui/skeleton";
import { useUrl } from "@/hooks/use-url";
import { type RunDetail, runQuery } from "@/services/runs";

export function RunPage() {
  const { params } = useUrl();
  const ref = readRunRef(params.get("id") ?? "");
  if (!ref) return <NoSuchAddress />;
  return <RunByRef key={ref} id={ref} />;
}

function RunByRef({ id }: { id: string }) {
  const { data, error, refetch } = useQuery(runQuery(id));
  useTitle(data);
  if (error && !data) return <NotShown error={error} retry={() => void refetch()} />;
  if (!data) return <RunSkeleton />;
  return (
    <div className="space-y-4">
      <RunHeader run={data} />
      {error && <ProblemNotice error={error} retry={() => void refetch()} />}
      {data.error && <ErrorPanel error={data.error} />}
      {(data.state === "waiting" || data.state === "queued") && <WhyPanel run={data} />}
      {data.state === "running" && data.kind !== "pipeline" && (
        <ProgressMeter progress={data.progress} label={`Progress of run ${data.number}`} />
      )}
      {data.kind === "pipeline" && data.children.length > 0 && <Tasks run={data} />}
      <RunTabs run={data} />
    </div>
  );
}

function useTitle(run: RunDetail | undefined): void {
  const title = run ? `#${run.number} ${run.template_name}, ${run.state} · Lakehouse Control Room` : null;
  useEffect(() => {
    if (title) document.title = title;
  }, [title]);
}

export function RunSkeleton() {
  return (
    <div aria-busy="true" className="space-y-4">
      <span className="sr-only">Reading the run</span>
      <Skeleton className="h-4 w-24" />
      <Skeleton className="h-7 w-80 max-w-full" />
      <Skeleton className="h-9 w-full" />
      <Skeleton className="h-48 w-full" />
    </div>
  );
}

function NotShown({ error, retry }: { error: Error; retry: () => void }) {
  return (
    <div className="mx-auto max-w-xl space-y-3 pt-6">
      <ProblemNotice error={error} retry={retry} />
      <BackToRuns />
    </div>
  );
}

function NoSuchAddress() {
  return (
    <Notice title="Which run?" actions={<BackToRuns />}>
      This address names no run. It ends in a run's number or id, as in /run/?id=42.
    </Notice>
  );
}

function BackToRuns() {
  return (
    <Button asChild variant="outline">
      <Link href="/runs/">Go to the runs</Link>
    </Button>
  );
}
