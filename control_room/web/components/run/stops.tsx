import { Section } from "@/components/run/section";
import { CardContent } from "@/components/ui/card";
import { Table, TableBody, TableCell, TableHead, TableHeader, TableRow } from "@/components/ui/table";
import { formatClock, formatDuration, formatExact } from "@/lib/format";
import { type StopStep, stopSteps } from "@/lib/stops";
import type { Attempt } from "@/services/runs";

type Props = { attempts: Attempt[]; requestedAt: string | null };

/** How soon attempts stopped that were cancelled, or passed a cap: each moment with its time. */
export function Stops({ attempts, requestedAt }: Props) {
  return (
    <Section title="How soon it stopped">
      <Table label="How soon it stopped">
        <TableHeader>
          <TableRow>
            <TableHead>Attempt</TableHead>
            <TableHead>Why</TableHead>
            <TableHead>Requested</TableHead>
            <TableHead>Told, or cap passed</TableHead>
            <TableHead>Engine stopped</TableHead>
            <TableHead>Released</TableHead>
          </TableRow>
        </TableHeader>
        <TableBody>
          {attempts.map((attempt) => (
            <StopRow key={attempt.epoch} attempt={attempt} requestedAt={requestedAt} />
          ))}
        </TableBody>
      </Table>
      <CardContent className="border-t text-xs text-muted-foreground">
        The request is by the control room's clock, the rest by the executor's. Released: no process of the
        attempt was left.
      </CardContent>
    </Section>
  );
}

function StopRow({ attempt, requestedAt }: { attempt: Attempt; requestedAt: string | null }) {
  if (!attempt.timings) return null;
  const cancelled = attempt.timings.cause === "cancel";
  return (
    <TableRow>
      <TableCell className="figures font-medium">{attempt.attempt}</TableCell>
      <TableCell className="whitespace-nowrap">{cancelled ? "cancelled" : "a cap was passed"}</TableCell>
      <TableCell>
        <Moment at={cancelled ? requestedAt : null} />
      </TableCell>
      {stopSteps(attempt.timings, requestedAt).map((step) => (
        <TableCell key={step.name}>
          <Moment {...step} />
        </TableCell>
      ))}
    </TableRow>
  );
}

function Moment({ at, after }: Pick<StopStep, "at"> & { after?: number | null }) {
  if (at === null) return <span className="text-muted-foreground">–</span>;
  return (
    <span className="figures flex flex-col whitespace-nowrap">
      <time dateTime={at} title={formatExact(at)}>
        {formatClock(at)}
      </time>
      {after ? <span className="text-xs text-muted-foreground">after {formatDuration(after)}</span> : null}
    </span>
  );
}
