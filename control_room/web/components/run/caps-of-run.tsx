import { Table, TableBody, TableCell, TableHead, TableHeader, TableRow } from "@/components/ui/table";
import { useNow } from "@/hooks/use-now";
import { capValue, ruleText, shareOf, usedOf } from "@/lib/caps";
import { cn } from "@/lib/cn";
import { isTerminal } from "@/lib/states";
import { limitName } from "@/lib/usage";
import type { ExplainedCap } from "@/services/limits";
import type { RunDetail } from "@/services/runs";

/** Every cap in force: what the last attempt used of it, what is done at the limit, and who gave it. */
export function CapsOfRun({ caps, run }: { caps: ExplainedCap[]; run: RunDetail }) {
  const ended = isTerminal(run.state);
  const now = useNow(1000, !ended);
  return (
    <Table label="Caps">
      <TableHeader>
        <TableRow>
          <TableHead>Cap</TableHead>
          <TableHead className="min-w-28 text-right">{ended ? "Used" : "Used so far"}</TableHead>
          <TableHead className="text-right">Limit</TableHead>
          <TableHead>At the limit</TableHead>
          <TableHead className="text-right">Warns at</TableHead>
          <TableHead>Given by</TableHead>
        </TableRow>
      </TableHeader>
      <TableBody>
        {caps.map((cap) => (
          <CapRow key={cap.cap} cap={cap} run={run} used={usedOf(cap.cap, run, now)} />
        ))}
      </TableBody>
    </Table>
  );
}

function CapRow({ cap, run, used }: { cap: ExplainedCap; run: RunDetail; used: number | null }) {
  const currency = run.cost?.currency ?? null;
  const figure = "figures text-right whitespace-nowrap";
  return (
    <TableRow data-cap={cap.cap}>
      <TableCell className="font-medium whitespace-nowrap" title={cap.cap}>
        {limitName(cap.cap)}
      </TableCell>
      <TableCell className={figure}>
        <Used text={capValue(cap.cap, used, currency)} share={shareOf(used, cap.limit ?? cap.warn)} />
      </TableCell>
      <TableCell className={figure}>{capValue(cap.cap, cap.limit, currency)}</TableCell>
      <TableCell className="min-w-36 text-muted-foreground">{ruleText(cap)}</TableCell>
      <TableCell className={figure}>{capValue(cap.cap, cap.warn, currency)}</TableCell>
      <TableCell className="min-w-48">
        <GivenBy cap={cap} currency={currency} />
      </TableCell>
    </TableRow>
  );
}

/** The figure, its share of the limit in words and as a bar. */
function Used({ text, share }: { text: string; share: number | null }) {
  if (share === null) return text;
  return (
    <span className="block space-y-1">
      <span>
        {text} <span className="text-xs text-muted-foreground">{share} %</span>
      </span>
      <span className="flex h-1.5 overflow-hidden rounded-full bg-muted" aria-hidden>
        <span
          className={cn("block", share >= 100 ? "bg-failed" : "bg-primary")}
          style={{ width: `${Math.min(100, share)}%` }}
        />
      </span>
    </span>
  );
}

/** Who gave what holds, and below what others gave, from the widest scope to the run. */
function GivenBy({ cap, currency }: { cap: ExplainedCap; currency: string | null }) {
  const others = cap.values.length > 1 ? cap.values : [];
  return (
    <span className="flex flex-col">
      <span>{cap.given_by}</span>
      {others.length > 0 && (
        <span className="figures text-xs text-muted-foreground">
          {others
            .map(({ given_by, limit, action }) => {
              const warns = action === "warn" ? " (warns)" : "";
              return `${given_by} ${capValue(cap.cap, limit, currency)}${warns}`;
            })
            .join(", ")}
        </span>
      )}
    </span>
  );
}
