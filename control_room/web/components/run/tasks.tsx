"use client";

import { useQuery } from "@tanstack/react-query";
import { TaskGraph } from "@/components/run/task-graph";
import { ProgressMeter } from "@/components/runs/progress";
import { RunLink } from "@/components/runs/run-link";
import { attemptText } from "@/components/runs/runs-table";
import { StateWithReason } from "@/components/runs/state-badge";
import { Duration } from "@/components/shell/time";
import { Card, CardHeader, CardTitle } from "@/components/ui/card";
import { Scrollable } from "@/components/ui/scrollable";
import { Table, TableBody, TableCell, TableHead, TableHeader, TableRow } from "@/components/ui/table";
import { useNow } from "@/hooks/use-now";
import { layer } from "@/lib/dag";
import { formatCount } from "@/lib/format";
import { isTerminal } from "@/lib/states";
import { barsOf, type Span, spanOf } from "@/lib/timeline";
import type { Run, RunDetail } from "@/services/runs";
import { taskParentsQuery } from "@/services/templates";

export type Task = { key: string; depends_on: string[]; run: Run };

const MOST_IN_GRAPH = 40;

/** The tasks in dependency order; what waits for what comes from the pipeline's own version of its template. */
function useTasks(pipeline: RunDetail): Task[] {
  const { data: parents } = useQuery(taskParentsQuery(pipeline.template_name, pipeline.template_version));
  const tasks = pipeline.children.map((run) => ({
    key: run.task_key ?? `#${run.number}`,
    depends_on: parents?.get(run.task_key ?? "") ?? [],
    run,
  }));
  return layer(tasks).flat();
}

export function Tasks({ run }: { run: RunDetail }) {
  const tasks = useTasks(run);
  const done = tasks.filter((task) => isTerminal(task.run.state)).length;
  const failed = tasks.filter((task) => task.run.state === "failed").length;
  return (
    <Card aria-labelledby="tasks-title">
      <CardHeader>
        <CardTitle id="tasks-title">Tasks</CardTitle>
        <span className="figures text-xs text-muted-foreground">
          {done} of {tasks.length} ended{failed > 0 && `, ${failed} failed`}
        </span>
      </CardHeader>
      {tasks.length > 1 && tasks.length <= MOST_IN_GRAPH && (
        <Scrollable label="Task graph" className="border-b px-4 py-4 max-sm:hidden">
          <TaskGraph tasks={tasks} />
        </Scrollable>
      )}
      <TaskTable tasks={tasks} open={!isTerminal(run.state)} />
    </Card>
  );
}

function TaskTable({ tasks, open }: { tasks: Task[]; open: boolean }) {
  const now = useNow(1000, open);
  const span = spanOf(
    tasks.map((task) => task.run),
    now,
  );
  return (
    <Table label="Tasks">
      <TableHeader>
        <TableRow>
          <TableHead>Task</TableHead>
          <TableHead className="max-md:hidden">After</TableHead>
          <TableHead>State</TableHead>
          <TableHead className="max-lg:hidden">Timeline</TableHead>
          <TableHead className="text-right">Duration</TableHead>
          <TableHead className="text-right max-sm:hidden">Rows</TableHead>
          <TableHead className="text-right max-md:hidden">Artifacts</TableHead>
          <TableHead className="text-right max-md:hidden">Attempt</TableHead>
        </TableRow>
      </TableHeader>
      <TableBody>
        {tasks.map((task) => (
          <TaskRow key={task.run.run_id} task={task} span={span} now={now} />
        ))}
      </TableBody>
    </Table>
  );
}

function TaskRow({ task, span, now }: { task: Task; span: Span | null; now: number }) {
  const { run } = task;
  return (
    <TableRow className="hover:bg-muted/60" data-task={task.key}>
      <TableCell>
        <RunLink number={run.number} className="text-link font-medium">
          {task.key}
        </RunLink>{" "}
        <span className="figures text-xs text-muted-foreground">#{run.number}</span>
      </TableCell>
      <TableCell className="text-muted-foreground max-md:hidden">
        {task.depends_on.join(", ") || "–"}
      </TableCell>
      <TableCell>
        <span className="flex flex-wrap items-center gap-x-3 gap-y-1">
          <StateWithReason state={run.state} reason={run.state_reason} />
          {run.state === "running" && (
            <ProgressMeter progress={run.progress} label={`Progress of ${task.key}`} />
          )}
        </span>
      </TableCell>
      <TableCell className="w-64 max-lg:hidden">
        {span && <TimelineBar task={task} span={span} now={now} />}
      </TableCell>
      <TableCell className="text-right">
        <Duration from={run.started_at} to={run.finished_at} />
      </TableCell>
      <TableCell className="figures text-right max-sm:hidden">{formatCount(run.rows)}</TableCell>
      <TableCell className="figures text-right max-md:hidden">{formatCount(run.artifact_count)}</TableCell>
      <TableCell className="figures text-right max-md:hidden">{attemptText(run)}</TableCell>
    </TableRow>
  );
}

const FILLS: Record<string, string> = {
  running: "fill-running",
  succeeded: "fill-succeeded",
  failed: "fill-failed",
  cancelled: "fill-cancelled",
  queued: "fill-queued",
  waiting: "fill-waiting",
};

function TimelineBar({ task, span, now }: { task: Task; span: Span; now: number }) {
  const { queued, ran } = barsOf(task.run, span, now);
  return (
    <svg viewBox="0 0 100 8" preserveAspectRatio="none" className="block h-2 w-full" aria-hidden="true">
      <rect x="0" y="3.5" width="100" height="1" className="fill-border" />
      {queued && <rect x={queued.x} y="2.5" width={queued.width} height="3" className="fill-queued/50" />}
      {ran && (
        <rect
          x={ran.x}
          y="0"
          width={ran.width}
          height="8"
          className={FILLS[task.run.state] ?? "fill-cancelled"}
        />
      )}
    </svg>
  );
}
