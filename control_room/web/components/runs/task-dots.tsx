"use client";

import { useQuery } from "@tanstack/react-query";
import { cn } from "@/lib/cn";
import { isRunState, type RunState } from "@/lib/states";
import { pipelineTasksQuery, type Run, type TaskDot } from "@/services/runs";

const DOTS: Record<RunState, string> = {
  waiting: "border border-waiting",
  queued: "border border-queued bg-queued/30",
  running: "bg-running animate-pulse",
  succeeded: "bg-succeeded",
  failed: "bg-failed rounded-[2px]",
  cancelled: "bg-cancelled/60",
  skipped: "border border-dashed border-skipped",
};
const SHOWN = 24;

/** One mark per task of a pipeline, in order; the sentence is there for everybody who cannot see marks. */
export function TaskDots({ run }: { run: Run }) {
  const { data: tasks } = useQuery(pipelineTasksQuery(run));
  if (!tasks || tasks.length === 0) return null;
  return (
    <span
      role="img"
      aria-label={describeTasks(tasks)}
      title={describeTasks(tasks)}
      className="inline-flex items-center gap-1"
    >
      {tasks.slice(0, SHOWN).map((task) => (
        <span
          key={task.number}
          className={cn(
            "size-2.5 rounded-full",
            isRunState(task.state) ? DOTS[task.state] : "bg-muted-foreground",
          )}
        />
      ))}
      {tasks.length > SHOWN && <span className="text-xs text-muted-foreground">+{tasks.length - SHOWN}</span>}
    </span>
  );
}

/** `3 tasks: ingest succeeded, transform running, report waiting`, or counts when there are many. */
export function describeTasks(tasks: TaskDot[]): string {
  const count = tasks.length === 1 ? "1 task" : `${tasks.length} tasks`;
  if (tasks.length <= 6)
    return `${count}: ${tasks.map((task) => `${task.task_key} ${task.state}`).join(", ")}`;
  const states = [...new Set(tasks.map((task) => task.state))];
  return `${count}: ${states.map((state) => `${tasks.filter((task) => task.state === state).length} ${state}`).join(", ")}`;
}
