"use client";

import Link from "next/link";
import type { Task } from "@/components/run/tasks";
import { runHref } from "@/components/runs/run-link";
import { StateIcon } from "@/components/runs/state-badge";
import { Duration } from "@/components/shell/time";
import { cn } from "@/lib/cn";
import { type Box, layout } from "@/lib/dag";

const BOX: Box = { width: 208, height: 58, gapX: 56, gapY: 14 };
const MARGIN = 4;

/** The tasks as a graph, from left to right. The table below says the same in words, so this is a picture to most readers. */
export function TaskGraph({ tasks }: { tasks: Task[] }) {
  const { width, height, placed, edges } = layout(tasks, BOX);
  const states = new Map(tasks.map((task) => [task.key, task.run.state]));
  const [w, h] = [width + 2 * MARGIN, height + 2 * MARGIN];
  return (
    <svg
      width={w}
      height={h}
      viewBox={`${-MARGIN} ${-MARGIN} ${w} ${h}`}
      aria-label="Tasks and what they wait for"
      className="max-w-none shrink-0"
    >
      {edges.map((edge) => (
        <path
          key={`${edge.from} ${edge.to}`}
          d={edge.path}
          data-edge={`${edge.from} ${edge.to}`}
          fill="none"
          strokeWidth="1.5"
          className={cn("stroke-input", states.get(edge.from) === "succeeded" && "stroke-succeeded/70")}
        />
      ))}
      {placed.map(({ node, x, y }) => (
        <foreignObject
          key={node.key}
          x={x}
          y={y}
          width={BOX.width}
          height={BOX.height}
          className="overflow-visible"
        >
          <TaskNode task={node} />
        </foreignObject>
      ))}
    </svg>
  );
}

function TaskNode({ task }: { task: Task }) {
  const { run } = task;
  return (
    <Link
      href={runHref(run.number)}
      prefetch={false}
      className="flex h-[58px] w-full flex-col justify-center gap-0.5 rounded-md border bg-background px-3 text-sm hover:border-ring"
    >
      <span className="flex items-center gap-1.5">
        <StateIcon state={run.state} />
        <span className="truncate font-medium">{task.key}</span>
        <span className="ml-auto text-xs text-muted-foreground">
          {run.started_at ? <Duration from={run.started_at} to={run.finished_at} /> : run.state}
        </span>
      </span>
      <span className="flex items-center gap-1.5 text-xs text-muted-foreground">
        <span className="truncate">{run.kind}</span>
        {run.state === "running" && run.progress?.fraction != null && (
          <span className="figures ml-auto">{Math.floor(run.progress.fraction * 100)}%</span>
        )}
      </span>
    </Link>
  );
}
