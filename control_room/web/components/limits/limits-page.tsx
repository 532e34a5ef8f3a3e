"use client";

import { useQuery } from "@tanstack/react-query";
import { Gauge } from "lucide-react";
import { BudgetsTable } from "@/components/limits/budgets-table";
import { HeldRuns } from "@/components/limits/held-runs";
import { LedgerTable } from "@/components/limits/ledger-table";
import { Section } from "@/components/run/section";
import { Asked } from "@/components/shell/asked";
import { Command, Notice } from "@/components/shell/notice";
import { RelativeTime } from "@/components/shell/time";
import { Table, TableBody, TableCell, TableHead, TableHeader, TableRow } from "@/components/ui/table";
import { capValue } from "@/lib/caps";
import { limitName } from "@/lib/usage";
import { actionText, budgetsQuery, type Cap, capsQuery, heldQuery, scopeText } from "@/services/limits";

const LATEST = 20;

export function LimitsPage() {
  const budgets = useQuery(budgetsQuery());
  const caps = useQuery(capsQuery());
  const held = useQuery(heldQuery());
  return (
    <div className="grid grid-cols-[minmax(0,1fr)] gap-4">
      <h1 className="text-lg font-semibold">Limits</h1>
      <Section title="Budgets">
        <Asked query={budgets}>
          {({ items }) => (items.length === 0 ? <NoBudget /> : <BudgetsTable budgets={items} />)}
        </Asked>
      </Section>
      {held.data && held.data.items.length > 0 && (
        <Section title="Held by a budget">
          <HeldRuns runs={held.data.items} more={held.data.more} />
        </Section>
      )}
      <Section title="Caps of single runs">
        <Asked query={caps}>
          {({ items }) => (items.length === 0 ? <NoCap /> : <CapsTable caps={items} />)}
        </Asked>
      </Section>
      {caps.data && caps.data.ledger.length > 0 && (
        <Section title="Latest enforcements">
          <LedgerTable label="Latest enforcements" entries={caps.data.ledger.slice(0, LATEST)} />
        </Section>
      )}
    </div>
  );
}

function NoBudget() {
  return (
    <Notice icon={<Gauge aria-hidden />} title="No budget is set">
      How much the runs of a workspace may use together:{" "}
      <Command>control-room budgets set default runs 1000 --per day</Command>
    </Notice>
  );
}

function NoCap() {
  return (
    <Notice title="No cap is set for all">
      Templates and submits have their own. For all runs of a workspace:{" "}
      <Command>control-room caps set default wall_seconds 3600</Command>
    </Notice>
  );
}

function CapsTable({ caps }: { caps: Cap[] }) {
  return (
    <Table label="Caps of single runs">
      <TableHeader>
        <TableRow>
          <TableHead>Scope</TableHead>
          <TableHead>Cap</TableHead>
          <TableHead className="text-right">Limit</TableHead>
          <TableHead>At the limit</TableHead>
          <TableHead className="max-md:hidden">Set</TableHead>
        </TableRow>
      </TableHeader>
      <TableBody>
        {caps.map((cap) => (
          <TableRow key={`${scopeText(cap)} ${cap.cap} ${cap.action === "warn"}`}>
            <TableCell className="min-w-32 max-w-72 font-medium wrap-anywhere">{scopeText(cap)}</TableCell>
            <TableCell className="text-muted-foreground">{limitName(cap.cap)}</TableCell>
            <TableCell className="figures text-right whitespace-nowrap">
              {capValue(cap.cap, cap.limit)}
            </TableCell>
            <TableCell className="text-muted-foreground">{actionText(cap)}</TableCell>
            <TableCell className="text-muted-foreground max-md:hidden">
              <RelativeTime at={cap.updated_at} />
            </TableCell>
          </TableRow>
        ))}
      </TableBody>
    </Table>
  );
}
