import { RelativeTime } from "@/components/shell/time";
import { Badge } from "@/components/ui/badge";
import { Table, TableBody, TableCell, TableHead, TableHeader, TableRow } from "@/components/ui/table";
import { limitName, measureValue } from "@/lib/usage";
import { type Budget, type CountedBudget, scopeText, shares } from "@/services/limits";

type Props = { budgets: Budget[] } | { budgets: CountedBudget[]; estimates: true };

/** How budgets stand; `estimates`: with what the next attempt of a run would reserve of each. */
export function BudgetsTable(props: Props) {
  const estimates = "estimates" in props;
  return (
    <Table label="Budgets">
      <TableHeader>
        <TableRow>
          <TableHead>Scope</TableHead>
          <TableHead className="max-md:hidden">Unit</TableHead>
          <TableHead className="min-w-36">Used and reserved</TableHead>
          <TableHead className="text-right">Left</TableHead>
          <TableHead className="text-right max-md:hidden">Limit</TableHead>
          {estimates && <TableHead className="text-right">Next attempt</TableHead>}
          <TableHead className="max-md:hidden">When full</TableHead>
          <TableHead className="max-md:hidden">Until</TableHead>
        </TableRow>
      </TableHeader>
      <TableBody>
        {props.budgets.map((budget) => (
          <TableRow key={budget.budget_id} data-budget={budget.budget_id}>
            <TableCell className="min-w-32 max-w-72 wrap-anywhere">
              <span className="font-medium">{scopeText(budget)}</span>
              <span className="block text-xs text-muted-foreground md:hidden">{unitText(budget)}</span>
            </TableCell>
            <TableCell className="text-muted-foreground max-md:hidden">{unitText(budget)}</TableCell>
            <TableCell>
              <Bar budget={budget} />
            </TableCell>
            <TableCell className="figures text-right whitespace-nowrap">
              {measureValue(budget.unit, budget.left)}
            </TableCell>
            <TableCell className="figures text-right whitespace-nowrap max-md:hidden">
              {measureValue(budget.unit, budget.limit)}
            </TableCell>
            {estimates && (
              <TableCell className="figures text-right whitespace-nowrap">
                {measureValue(budget.unit, (budget as CountedBudget).estimate)}
              </TableCell>
            )}
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

/** Unit and period. Concurrency is what runs at a moment: it has none. */
function unitText({ unit, period }: Budget): string {
  if (unit === "concurrency") return "runs at a time";
  return `${limitName(unit)} ${period === "total" ? "in all" : PERIODS[period]}`;
}

const PERIODS: Record<string, string> = { hour: "an hour", day: "a day", month: "a month" };

/** What is used, then what runs under way have reserved, of the whole. */
function Bar({ budget }: { budget: Budget }) {
  const { used, reserved } = shares(budget);
  return (
    <div className="space-y-1">
      <div className="flex h-2 w-full overflow-hidden rounded-full bg-muted" aria-hidden>
        <div className={used >= 100 ? "bg-failed" : "bg-primary"} style={{ width: `${used}%` }} />
        <div className="bg-primary/40" style={{ width: `${reserved}%` }} />
      </div>
      <p className="figures text-xs text-muted-foreground">
        {measureValue(budget.unit, budget.used)} used, {measureValue(budget.unit, budget.reserved)} reserved
        <span className="md:hidden"> of {measureValue(budget.unit, budget.limit)}</span>
      </p>
      {budget.warned > 0 && (
        <Badge variant={budget.warned >= 100 ? "failed" : "waiting"}>over {budget.warned} %</Badge>
      )}
    </div>
  );
}
