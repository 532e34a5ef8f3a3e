import Link from "next/link";
import { RunLink } from "@/components/runs/run-link";
import { RelativeTime } from "@/components/shell/time";
import { CardContent } from "@/components/ui/card";
import { Table, TableBody, TableCell, TableHead, TableHeader, TableRow } from "@/components/ui/table";
import type { Run } from "@/services/runs";

const ALL = "/runs/?state=waiting&reason=budget_exhausted&top_level=false";

/** Runs that wait for room in a budget; each one's page says for which, and when there is room again. */
export function HeldRuns({ runs, more }: { runs: Run[]; more: boolean }) {
  return (
    <>
      <Table label="Held by a budget">
        <TableHeader>
          <TableRow>
            <TableHead>Run</TableHead>
            <TableHead>Template</TableHead>
            <TableHead className="max-sm:hidden">Submitted</TableHead>
            <TableHead>
              <span className="sr-only">Why</span>
            </TableHead>
          </TableRow>
        </TableHeader>
        <TableBody>
          {runs.map((run) => (
            <TableRow key={run.run_id} data-held={run.number}>
              <TableCell className="w-0">
                <RunLink number={run.number} />
              </TableCell>
              <TableCell className="wrap-anywhere">
                {run.workspace}/{run.template_name}
              </TableCell>
              <TableCell className="text-muted-foreground max-sm:hidden">
                <RelativeTime at={run.submitted_at} />
              </TableCell>
              <TableCell className="text-right">
                <RunLink number={run.number} className="text-link whitespace-nowrap">
                  Why<span className="sr-only"> is run {run.number} held</span>
                </RunLink>
              </TableCell>
            </TableRow>
          ))}
        </TableBody>
      </Table>
      {more && (
        <CardContent className="border-t text-sm">
          <Link href={ALL} className="text-link">
            All runs that a budget holds
          </Link>
        </CardContent>
      )}
    </>
  );
}
