import { RunLink } from "@/components/runs/run-link";
import { RelativeTime } from "@/components/shell/time";
import { Table, TableBody, TableCell, TableHead, TableHeader, TableRow } from "@/components/ui/table";
import { capValue } from "@/lib/caps";
import { formatDuration, formatWord } from "@/lib/format";
import { limitName } from "@/lib/usage";
import type { CapEntry, Enforcement } from "@/services/limits";

type Props = {
  label: string;
  entries: (CapEntry | Enforcement)[];
  /** The attempt of an epoch, where all entries are of one run. */
  attempts?: ReadonlyMap<number, number>;
  currency?: string | null;
};

/** What caps did: which layer acted, what it saw, how far and how long that was beyond the limit. */
export function LedgerTable({ label, entries, attempts, currency = null }: Props) {
  return (
    <Table label={label}>
      <TableHeader>
        <TableRow>
          <TableHead>{attempts ? "Attempt" : "Run"}</TableHead>
          <TableHead>Cap</TableHead>
          <TableHead className="text-right">Limit</TableHead>
          <TableHead className="text-right">Observed</TableHead>
          <TableHead className="text-right">Over by</TableHead>
          <TableHead className="text-right">Stopped after</TableHead>
          <TableHead>What was done</TableHead>
          <TableHead>Layer</TableHead>
          <TableHead>When</TableHead>
        </TableRow>
      </TableHeader>
      <TableBody>
        {entries.map((entry) => (
          <TableRow
            key={`${entry.run_id} ${entry.epoch} ${entry.layer} ${entry.cap} ${entry.action} ${entry.at}`}
          >
            <TableCell className={attempts ? "figures" : "min-w-40"}>
              {attempts ? (attempts.get(entry.epoch) ?? "–") : <Whose entry={entry} />}
            </TableCell>
            <TableCell className="font-medium whitespace-nowrap" title={entry.cap}>
              {limitName(entry.cap)}
            </TableCell>
            <TableCell className={FIGURE}>{capValue(entry.cap, entry.limit, currency)}</TableCell>
            <TableCell className={FIGURE}>{capValue(entry.cap, entry.observed, currency)}</TableCell>
            <TableCell className={FIGURE}>{overText(entry, currency)}</TableCell>
            <TableCell className={FIGURE}>
              {isHold(entry) ? "–" : formatDuration(entry.overshoot_ms)}
            </TableCell>
            <TableCell className="text-muted-foreground">{formatWord(entry.action)}</TableCell>
            <TableCell className="whitespace-nowrap text-muted-foreground">
              {formatWord(entry.layer)}
            </TableCell>
            <TableCell className="text-muted-foreground">
              <RelativeTime at={entry.at} />
            </TableCell>
          </TableRow>
        ))}
      </TableBody>
    </Table>
  );
}

/** Before a start there is nothing that could go beyond, or be stopped. */
function isHold(entry: CapEntry): boolean {
  return entry.layer === "admission";
}

function overText(entry: CapEntry, currency: string | null): string {
  return isHold(entry) ? "–" : capValue(entry.cap, entry.overshoot, currency);
}

const FIGURE = "figures text-right whitespace-nowrap";

function Whose({ entry }: { entry: CapEntry | Enforcement }) {
  if (!("number" in entry)) return "–";
  return (
    <span className="flex flex-col">
      <RunLink number={entry.number} />
      <span className="max-w-56 text-xs text-muted-foreground wrap-anywhere">{entry.template_name}</span>
    </span>
  );
}
