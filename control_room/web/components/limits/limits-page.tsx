"use client";

import { useQuery } from "@tanstack/react-query";
import { Gauge } from "lucide-react";
import type { ReactNode } from "react";
import { Command, Notice } from "@/components/shell/notice";
import { ProblemNotice } from "@/components/shell/problem";
import { RelativeTime } from "@/components/shell/time";
import { Badge } from "@/components/ui/badge";
import { Card, CardContent, CardHeader, CardTitle } from "@/components/ui/card";
import { Skeleton } from "@/components/ui/skeleton";
import { Table, TableBody, TableCell, TableHead, TableHeader, TableRow } from "@/components/ui/table";
import { formatWord } from "@/lib/format";
import { measureName, measureValue } from "@/lib/usage";
import {
  type Budget,
  budgetsQuery,
  type Cap,
  type CapEntry,
  capsQuery,
  scopeText,
  shares,
} from "@/services/limits";

export function LimitsPage() {
  const budgets = useQuery(budgetsQuery());
  const caps = useQuery(capsQuery());
  return (
    <div className="space-y-4">
      <h1 className="text-lg font-semibold">Limits</h1>
      <Part title="Budgets" query={budgets}>
        {budgets.data?.items.length === 0 ? (
          <Notice icon={<Gauge aria-hidden />} title="No budget is set">
            How much the runs of a workspace may use together:{" "}
            <Command>control-room budgets set default runs 1000 --per day</Command>
          </Notice>
        ) : (
          <BudgetsTable budgets={budgets.data?.items ?? []} />
        )}
      </Part>
      <Part title="Ceilings of single runs" query={caps}>
        {caps.data?.items.length === 0 ? (
          <Notice title="No ceiling is set for all">
            Templates and submits have their own. For all runs of a workspace:{" "}
            <Command>control-room caps set default wall_seconds 3600</Command>
          </Notice>
        ) : (
          <CapsTable caps={caps.data?.items ?? []} />
        )}
      </Part>
      {(caps.data?.ledger.length ?? 0) > 0 && (
        <Part title="Latest enforcements" query={caps}>
          <LedgerTable entries={caps.data?.ledger.slice(0, 20) ?? []} />
        </Part>
      )}
    </div>
  );
}

type Asked = { data: unknown; error: Error | null; refetch: () => unknown };

function Part({ title, query, children }: { title: string; query: Asked; children: ReactNode }) {
  return (
    <Card aria-label={title}>
      <CardHeader>
        <CardTitle>{title}</CardTitle>
      </CardHeader>
      {query.error && !query.data ? (
        <CardContent>
          <ProblemNotice error={query.error} retry={() => void query.refetch()} />
        </CardContent>
      ) : query.data ? (
        children
      ) : (
        <CardContent className="space-y-2">
          <Skeleton className="h-4 w-full" />
          <Skeleton className="h-4 w-2/3" />
        </CardContent>
      )}
    </Card>
  );
}

function BudgetsTable({ budgets }: { budgets: Budget[] }) {
  return (
    <Table label="Budgets">
      <TableHeader>
        <TableRow>
          <TableHead>Scope</TableHead>
          <TableHead>Unit</TableHead>
          <TableHead className="min-w-40">Used and reserved</TableHead>
          <TableHead className="text-right">Left</TableHead>
          <TableHead className="text-right">Limit</TableHead>
          <TableHead className="max-md:hidden">When full</TableHead>
          <TableHead className="max-md:hidden">Until</TableHead>
        </TableRow>
      </TableHeader>
      <TableBody>
        {budgets.map((budget) => (
          <TableRow key={budget.budget_id}>
            <TableCell className="font-medium">{scopeText(budget)}</TableCell>
            <TableCell className="text-muted-foreground">
              {measureName(budget.unit)} {budget.period === "total" ? "in all" : `a ${budget.period}`}
            </TableCell>
            <TableCell>
              <Bar budget={budget} />
            </TableCell>
            <TableCell className="figures text-right">{measureValue(budget.unit, budget.left)}</TableCell>
            <TableCell className="figures text-right">{measureValue(budget.unit, budget.limit)}</TableCell>
            <TableCell className="text-muted-foreground max-md:hidden">
              {budget.policy === "queue" ? "runs wait" : "runs are refused"}
            </TableCell>
            <TableCell className="text-muted-foreground max-md:hidden">
              {budget.period_end ? <RelativeTime at={budget.period_end} /> : "for good"}
            </TableCell>
          </TableRow>
        ))}
      </TableBody>
    </Table>
  );
}

/** What is used, then what runs under way have reserved, of the whole. */
function Bar({ budget }: { budget: Budget }) {
  const { used, reserved } = shares(budget);
  const text = `${measureValue(budget.unit, budget.used)} used, ${measureValue(budget.unit, budget.reserved)} reserved`;
  return (
    <div className="space-y-1">
      <div className="flex h-2 w-full overflow-hidden rounded-full bg-muted" aria-hidden>
        <div className={used >= 100 ? "bg-failed" : "bg-primary"} style={{ width: `${used}%` }} />
        <div className="bg-primary/40" style={{ width: `${reserved}%` }} />
      </div>
      <span className="figures text-xs text-muted-foreground">
        {text}
        {budget.warned > 0 && (
          <>
            {" "}
            <Badge variant={budget.warned >= 100 ? "failed" : "waiting"}>over {budget.warned} %</Badge>
          </>
        )}
      </span>
    </div>
  );
}

function CapsTable({ caps }: { caps: Cap[] }) {
  return (
    <Table label="Ceilings of single runs">
      <TableHeader>
        <TableRow>
          <TableHead>Scope</TableHead>
          <TableHead>Ceiling</TableHead>
          <TableHead className="text-right">Limit</TableHead>
          <TableHead className="max-md:hidden">Set</TableHead>
        </TableRow>
      </TableHeader>
      <TableBody>
        {caps.map((cap) => (
          <TableRow key={`${scopeText(cap)} ${cap.cap}`}>
            <TableCell className="font-medium">{scopeText(cap)}</TableCell>
            <TableCell className="text-muted-foreground">{measureName(cap.cap)}</TableCell>
            <TableCell className="figures text-right">{measureValue(cap.cap, cap.limit)}</TableCell>
            <TableCell className="text-muted-foreground max-md:hidden">
              <RelativeTime at={cap.updated_at} />
            </TableCell>
          </TableRow>
        ))}
      </TableBody>
    </Table>
  );
}

function LedgerTable({ entries }: { entries: CapEntry[] }) {
  return (
    <Table label="Latest enforcements">
      <TableHeader>
        <TableRow>
          <TableHead>Ceiling</TableHead>
          <TableHead className="text-right">Limit</TableHead>
          <TableHead className="text-right">Observed</TableHead>
          <TableHead>What was done</TableHead>
          <TableHead className="max-md:hidden">By</TableHead>
          <TableHead>When</TableHead>
        </TableRow>
      </TableHeader>
      <TableBody>
        {entries.map((entry) => (
          <TableRow key={`${entry.run_id} ${entry.epoch} ${entry.cap} ${entry.at}`}>
            <TableCell className="font-medium">{measureName(entry.cap)}</TableCell>
            <TableCell className="figures text-right">{measureValue(entry.cap, entry.limit)}</TableCell>
            <TableCell className="figures text-right">{measureValue(entry.cap, entry.observed)}</TableCell>
            <TableCell className="text-muted-foreground">{entry.action}</TableCell>
            <TableCell className="text-muted-foreground max-md:hidden">{formatWord(entry.layer)}</TableCell>
            <TableCell>
              <RelativeTime at={entry.at} />
            </TableCell>
          </TableRow>
        ))}
      </TableBody>
    </Table>
  );
}
