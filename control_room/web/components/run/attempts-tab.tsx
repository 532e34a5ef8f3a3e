import { Fragment } from "react";
import { ErrorPanel } from "@/components/run/error-panel";
import { OutcomeBadge } from "@/components/runs/state-badge";
import { Notice } from "@/components/shell/notice";
import { Duration, RelativeTime } from "@/components/shell/time";
import { Card } from "@/components/ui/card";
import { Disclosure } from "@/components/ui/collapsible";
import { Table, TableBody, TableCell, TableHead, TableHeader, TableRow } from "@/components/ui/table";
import { stopText } from "@/lib/stops";
import { measures } from "@/lib/usage";
import type { Attempt, RunDetail } from "@/services/runs";

export function AttemptsTab({ run }: { run: RunDetail }) {
  if (run.attempts.length === 0) {
    return (
      <Card>
        <Notice title="Nothing was tried yet">An attempt begins when an executor claims the run.</Notice>
      </Card>
    );
  }
  const newestFirst = [...run.attempts].sort((a, b) => b.epoch - a.epoch);
  return (
    <Card aria-label="Attempts">
      <Table label="Attempts">
        <TableHeader>
          <TableRow>
            <TableHead>Attempt</TableHead>
            <TableHead>Outcome</TableHead>
            <TableHead>Executor</TableHead>
            <TableHead className="max-sm:hidden">Started</TableHead>
            <TableHead className="text-right">Duration</TableHead>
            <TableHead className="text-right max-sm:hidden">Epoch</TableHead>
            <TableHead className="max-lg:hidden">Usage</TableHead>
          </TableRow>
        </TableHeader>
        <TableBody>
          {newestFirst.map((attempt) => (
            <Fragment key={attempt.epoch}>
              <AttemptRow attempt={attempt} more={Boolean(attempt.error || attempt.timings)} />
              <StopRow text={stopText(attempt.timings, run.cancel_requested_at)} last={!attempt.error} />
              {attempt.error && <ErrorRow attempt={attempt} />}
            </Fragment>
          ))}
        </TableBody>
      </Table>
    </Card>
  );
}

function AttemptRow({ attempt, more }: { attempt: Attempt; more: boolean }) {
  return (
    <TableRow className={more ? "border-b-0" : undefined}>
      <TableCell className="figures font-medium">{attempt.attempt}</TableCell>
      <TableCell>
        <OutcomeBadge outcome={attempt.outcome} />
      </TableCell>
      <TableCell className="max-w-56 truncate">{attempt.executor_name ?? "–"}</TableCell>
      <TableCell className="text-muted-foreground max-sm:hidden">
        <RelativeTime at={attempt.started_at} />
      </TableCell>
      <TableCell className="text-right">
        <Duration from={attempt.started_at} to={attempt.finished_at} />
      </TableCell>
      <TableCell className="figures text-right text-muted-foreground max-sm:hidden">
        {attempt.epoch}
      </TableCell>
      <TableCell className="figures text-xs text-muted-foreground max-lg:hidden">
        {measures(attempt.usage)
          .map(({ key, value }) => `${key} ${value}`)
          .join(" · ") || "–"}
      </TableCell>
    </TableRow>
  );
}

/** How soon it stopped. */
function StopRow({ text, last }: { text: string | null; last: boolean }) {
  if (text === null) return null;
  return (
    <TableRow className={last ? undefined : "border-b-0"}>
      <TableCell colSpan={7} className="figures pt-0 text-xs text-muted-foreground whitespace-normal">
        {text}
      </TableCell>
    </TableRow>
  );
}

function ErrorRow({ attempt }: { attempt: Attempt }) {
  if (!attempt.error) return null;
  return (
    <TableRow>
      <TableCell colSpan={7} className="pt-0 whitespace-normal">
        <Disclosure
          summary={
            <span className="min-w-0 truncate">
              <span className="font-medium text-failed">{attempt.error.code}</span> {attempt.error.message}
            </span>
          }
        >
          <div className="mt-2">
            <ErrorPanel error={attempt.error} title={`Error of attempt ${attempt.attempt}`} />
          </div>
        </Disclosure>
      </TableCell>
    </TableRow>
  );
}
