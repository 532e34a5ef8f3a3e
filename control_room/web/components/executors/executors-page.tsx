"use client";

import { useQuery } from "@tanstack/react-query";
import { Cpu } from "lucide-react";
import { useState } from "react";
import { RunLink } from "@/components/runs/run-link";
import { Command, Notice } from "@/components/shell/notice";
import { ProblemNotice } from "@/components/shell/problem";
import { RelativeTime } from "@/components/shell/time";
import { Badge, type BadgeVariant } from "@/components/ui/badge";
import { Card, CardContent } from "@/components/ui/card";
import { Skeleton } from "@/components/ui/skeleton";
import { Table, TableBody, TableCell, TableHead, TableHeader, TableRow } from "@/components/ui/table";
import { Toggle } from "@/components/ui/toggle";
import { type Executor, executorsQuery } from "@/services/executors";

const STATES: Record<string, BadgeVariant> = {
  active: "succeeded",
  paused: "waiting",
  draining: "waiting",
  lost: "failed",
  left: "skipped",
  gone: "skipped",
};

export function ExecutorsPage() {
  const { data, error, refetch } = useQuery(executorsQuery());
  const [everyone, setEveryone] = useState(false);
  const shown = data?.filter((executor) => everyone || executor.left_at === null);
  return (
    <div className="space-y-4">
      <div className="flex items-center justify-between gap-3">
        <h1 className="text-lg font-semibold">Executors</h1>
        <Toggle pressed={everyone} onClick={() => setEveryone(!everyone)}>
          show those that left
        </Toggle>
      </div>
      {error && <ProblemNotice error={error} retry={() => void refetch()} />}
      {(shown || !error) && (
        <Card aria-label="Executors">
          {!shown && (
            <CardContent className="space-y-2">
              <Skeleton className="h-4 w-full" />
              <Skeleton className="h-4 w-2/3" />
            </CardContent>
          )}
          {shown?.length === 0 && (
            <Notice icon={<Cpu aria-hidden />} title="No executor is registered">
              The embedded stack starts three with <Command>control-room up</Command>. One more of a kind:{" "}
              <Command>control-room executor python</Command>
            </Notice>
          )}
          {shown && shown.length > 0 && <ExecutorsTable executors={shown} />}
        </Card>
      )}
    </div>
  );
}

function ExecutorsTable({ executors }: { executors: Executor[] }) {
  return (
    <Table label="Executors">
      <TableHeader>
        <TableRow>
          <TableHead>Executor</TableHead>
          <TableHead>Kind</TableHead>
          <TableHead>State</TableHead>
          <TableHead>Running</TableHead>
          <TableHead>Last seen</TableHead>
          <TableHead className="max-md:hidden">Registered</TableHead>
          <TableHead className="max-md:hidden">Host</TableHead>
          <TableHead className="max-lg:hidden">Version</TableHead>
        </TableRow>
      </TableHeader>
      <TableBody>
        {executors.map((executor) => (
          <TableRow key={executor.executor_id}>
            <TableCell>
              <span className="font-medium">{executor.name}</span>{" "}
              <span className="figures text-xs text-muted-foreground">#{executor.number}</span>
            </TableCell>
            <TableCell className="text-muted-foreground">{executor.kind}</TableCell>
            <TableCell>
              <State executor={executor} />
            </TableCell>
            <TableCell>
              <Running executor={executor} />
            </TableCell>
            <TableCell>
              <RelativeTime at={executor.last_seen_at} />
            </TableCell>
            <TableCell className="text-muted-foreground max-md:hidden">
              <RelativeTime at={executor.registered_at} />
            </TableCell>
            <TableCell className="text-muted-foreground max-md:hidden">
              {executor.host ?? "–"}
              {executor.pid === null ? "" : `, pid ${executor.pid}`}
            </TableCell>
            <TableCell className="text-muted-foreground max-lg:hidden">
              {executor.version}, contract {executor.contract_version}
            </TableCell>
          </TableRow>
        ))}
      </TableBody>
    </Table>
  );
}

/** Its state, and what keeps one that is active from taking runs. */
function State({ executor }: { executor: Executor }) {
  const trouble = executor.state === "active" ? executor.trouble : null;
  return (
    <>
      <Badge variant={trouble ? "waiting" : (STATES[executor.state] ?? "neutral")}>{executor.state}</Badge>
      {trouble && <p className="mt-1 max-w-prose text-xs text-muted-foreground">takes no run: {trouble}</p>}
    </>
  );
}

/** How many of its slots are taken, and by which runs. */
function Running({ executor }: { executor: Executor }) {
  return (
    <span className="figures flex flex-wrap gap-x-2">
      {executor.running.length} of {executor.slots}
      {executor.running.map((run) => (
        <RunLink key={run.run_id} number={run.number} />
      ))}
    </span>
  );
}
