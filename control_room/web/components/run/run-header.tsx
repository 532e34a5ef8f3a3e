"use client";

import { useQuery } from "@tanstack/react-query";
import { ChevronRight } from "lucide-react";
import Link from "next/link";
import { CancelButton } from "@/components/run/cancel-button";
import { RetryButton } from "@/components/run/retry-button";
import { RunRef } from "@/components/run/run-ref";
import { StateWithReason } from "@/components/runs/state-badge";
import { CopyButton } from "@/components/shell/copy-button";
import { isRetryable, isTerminal } from "@/lib/states";
import { meQuery } from "@/services/auth";
import type { RunDetail } from "@/services/runs";

export function RunHeader({ run }: { run: RunDetail }) {
  const { data: me } = useQuery(meQuery());
  const mayAct = me?.role === "operator";
  return (
    <div className="space-y-2">
      <Breadcrumbs run={run} />
      <div className="flex flex-wrap items-start justify-between gap-x-4 gap-y-3">
        <div className="min-w-0 space-y-1">
          <h1 className="flex flex-wrap items-center gap-x-2.5 gap-y-1 text-lg font-semibold">
            <span className="figures text-muted-foreground">#{run.number}</span>
            <span className="min-w-0 break-words">{run.template_name}</span>
            <StateWithReason state={run.state} reason={run.state_reason} />
          </h1>
          <p className="text-sm text-muted-foreground">{subtitle(run)}</p>
        </div>
        <div className="flex flex-wrap gap-2">
          <CopyButton value={run.run_id} label={`Copy the run's id ${run.run_id}`} text="Copy id" />
          {mayAct && isRetryable(run.state) && <RetryButton run={run} />}
          {mayAct && !isTerminal(run.state) && <CancelButton run={run} />}
        </div>
      </div>
      {run.cancel_requested_at && !isTerminal(run.state) && (
        <p role="status" className="text-sm text-waiting">
          Cancelling: {run.cancel_reason ?? "asked to stop"}. The executor is told with its next heartbeat.
        </p>
      )}
    </div>
  );
}

function subtitle(run: RunDetail): string {
  const what = run.task_key ? `task ${run.task_key}, ` : "";
  return `${what}${run.kind}, version ${run.template_version}, in ${run.workspace}, submitted by ${run.submitted_by}`;
}

function Breadcrumbs({ run }: { run: RunDetail }) {
  return (
    <nav aria-label="Breadcrumb">
      <ol className="flex flex-wrap items-center gap-1 text-xs text-muted-foreground">
        <li>
          <Link href="/runs/" className="text-link">
            Runs
          </Link>
        </li>
        {run.pipeline_run_id && (
          <li className="flex items-center gap-1">
            <ChevronRight aria-hidden className="size-3" />
            <RunRef run_id={run.pipeline_run_id} />
          </li>
        )}
        <li className="figures flex items-center gap-1" aria-current="page">
          <ChevronRight aria-hidden className="size-3" />#{run.number} {run.task_key}
        </li>
      </ol>
    </nav>
  );
}
