"use client";

import { memo } from "react";
import { ProgressMeter } from "@/components/runs/progress";
import { RunLink } from "@/components/runs/run-link";
import { StateWithReason } from "@/components/runs/state-badge";
import { TaskDots } from "@/components/runs/task-dots";
import { Duration, RelativeTime } from "@/components/shell/time";
import { Skeleton } from "@/components/ui/skeleton";
import { Table, TableBody, TableCell, TableHead, TableHeader, TableRow } from "@/components/ui/table";
import { formatCount } from "@/lib/format";
import type { Run } from "@/services/runs";

const WIDE = "max-lg:hidden";
const MEDIUM = "max-md:hidden";

export function RunsTable({ runs }: { runs: Run[] }) {
  return (
    <Table label="Runs">
      <Head />
      <TableBody>
        {runs.map((run) => (
          <RunRow key={run.run_id} run={run} />
        ))}
      </TableBody>
    </Table>
  );
}

function Head() {
  return (
    <TableHeader>
      <TableRow>
        <TableHead>Run</TableHead>
        <TableHead>Template</TableHead>
        <TableHead className={MEDIUM}>Kind</TableHead>
        <TableHead>State</TableHead>
        <TableHead className={MEDIUM}>Progress</TableHead>
        <TableHead className={`${WIDE} text-right`}>Attempt</TableHead>
        <TableHead className="text-right">Duration</TableHead>
        <TableHead className={`${WIDE} text-right`}>Rows</TableHead>
        <TableHead className={MEDIUM}>Submitted</TableHead>
        <TableHead className={WIDE}>Executor</TableHead>
      </TableRow>
    </TableHeader>
  );
}

const RunRow = memo(function RunRow({ run }: { run: Run }) {
  return (
    <TableRow className="hover:bg-muted/60" data-run={run.number}>
      <TableCell className="w-0">
        <RunLink number={run.number} />
      </TableCell>
      <TableCell className="max-w-80">
        <TemplateCell run={run} />
      </TableCell>
      <TableCell className={`${MEDIUM} text-muted-foreground`}>{run.kind}</TableCell>
      <TableCell>
        <StateWithReason state={run.state} reason={run.state_reason} />
      </TableCell>
      <TableCell className={MEDIUM}>
        <ProgressCell run={run} />
      </TableCell>
      <TableCell className={`${WIDE} figures text-right`}>{attemptText(run)}</TableCell>
      <TableCell className="text-right">
        <Duration from={run.started_at} to={run.finished_at} />
      </TableCell>
      <TableCell className={`${WIDE} figures text-right`}>{formatCount(run.rows)}</TableCell>
      <TableCell className={`${MEDIUM} text-muted-foreground`}>
        <RelativeTime at={run.submitted_at} />
      </TableCell>
      <TableCell
        className={`${WIDE} max-w-48 truncate text-muted-foreground`}
        title={run.executor_name ?? undefined}
      >
        {run.executor_name ?? "–"}
      </TableCell>
    </TableRow>
  );
});

function TemplateCell({ run }: { run: Run }) {
  return (
    <span className="flex flex-col">
      <span className="flex items-baseline gap-1.5">
        <RunLink number={run.number} className="min-w-0 font-medium break-words hover:underline sm:truncate">
          {run.template_name}
        </RunLink>
        <span
          className="figures text-xs text-muted-foreground max-sm:hidden"
          title={`version ${run.template_version}`}
        >
          v{run.template_version}
        </span>
      </span>
      {run.task_key && <span className="text-xs text-muted-foreground">task {run.task_key}</span>}
      <span className="text-xs text-muted-foreground md:hidden">
        <RelativeTime at={run.submitted_at} />
      </span>
    </span>
  );
}

function ProgressCell({ run }: { run: Run }) {
  if (run.kind === "pipeline") return <TaskDots run={run} />;
  if (run.state === "running")
    return <ProgressMeter progress={run.progress} label={`Progress of run ${run.number}`} />;
  return null;
}

/** `2 of 5` once something was tried; a pipeline run is never tried itself. */
export function attemptText(run: Pick<Run, "attempt" | "max_attempts" | "kind">): string {
  if (run.kind === "pipeline" || run.attempt === 0) return "–";
  return `${run.attempt} of ${run.max_attempts}`;
}

const SKELETON_ROWS = ["a", "b", "c", "d", "e", "f", "g", "h"];
const SKELETON_CELLS = [MEDIUM, "", MEDIUM, WIDE, "", WIDE, MEDIUM, WIDE];

export function RunsTableSkeleton() {
  return (
    <div aria-busy="true">
      <span className="sr-only">Reading the runs</span>
      <Table label="Runs, loading">
        <Head />
        <TableBody>
          {SKELETON_ROWS.map((row) => (
            <TableRow key={row}>
              <TableCell>
                <Skeleton className="h-4 w-8" />
              </TableCell>
              <TableCell>
                <Skeleton className="h-4 w-40 max-w-full" />
              </TableCell>
              {SKELETON_CELLS.map((className, index) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: the cells never move
                <TableCell key={index} className={className}>
                  <Skeleton className="h-4 w-16" />
                </TableCell>
              ))}
            </TableRow>
          ))}
        </TableBody>
      </Table>
    </div>
  );
}
