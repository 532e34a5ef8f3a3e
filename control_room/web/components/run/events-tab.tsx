"use client";

import { useQuery } from "@tanstack/react-query";
import { Link2, Link2Off } from "lucide-react";
import { CopyButton } from "@/components/shell/copy-button";
import { JsonView } from "@/components/shell/json-view";
import { Notice } from "@/components/shell/notice";
import { ProblemNotice } from "@/components/shell/problem";
import { Badge } from "@/components/ui/badge";
import { Card, CardContent, CardHeader, CardTitle } from "@/components/ui/card";
import { Disclosure } from "@/components/ui/collapsible";
import { Skeleton } from "@/components/ui/skeleton";
import { Table, TableBody, TableCell, TableHead, TableHeader, TableRow } from "@/components/ui/table";
import { formatClock, formatExact, shortHash } from "@/lib/format";
import { isEmpty } from "@/lib/json";
import { checkLinks, type RunEvent, runEventsQuery } from "@/services/run-events";
import type { RunDetail } from "@/services/runs";

export function EventsTab({ run }: { run: RunDetail }) {
  const { data, error, refetch } = useQuery(runEventsQuery(run.run_id));
  if (error && !data) return <ProblemNotice error={error} retry={() => void refetch()} />;
  return (
    <Card aria-label="Events">
      <CardHeader>
        <CardTitle>Events</CardTitle>
        {data && data.length > 0 && <Chain events={data} />}
      </CardHeader>
      {!data && (
        <CardContent className="space-y-2">
          <Skeleton className="h-4 w-full" />
          <Skeleton className="h-4 w-2/3" />
        </CardContent>
      )}
      {data?.length === 0 && (
        <Notice title="No events">A run has its first event when it is submitted.</Notice>
      )}
      {data && data.length > 0 && <EventTable events={data} />}
    </Card>
  );
}

/** Says whether the links hold. The hashes themselves are recomputed by `control-room verify`, from the stored bytes. */
function Chain({ events }: { events: RunEvent[] }) {
  const check = checkLinks(events);
  return check.ok ? (
    <Badge variant="succeeded" title="Each event names the hash of the one before it">
      <Link2 aria-hidden /> {events.length} linked events
    </Badge>
  ) : (
    <Badge variant="failed">
      <Link2Off aria-hidden /> The chain breaks at event {check.seq}
    </Badge>
  );
}

function EventTable({ events }: { events: RunEvent[] }) {
  return (
    <Table label="Events">
      <TableHeader>
        <TableRow>
          <TableHead className="text-right">Seq</TableHead>
          <TableHead>At</TableHead>
          <TableHead>Event</TableHead>
          <TableHead className="text-right max-md:hidden">Epoch</TableHead>
          <TableHead className="max-md:hidden">By</TableHead>
          <TableHead className="max-lg:hidden">Hash</TableHead>
        </TableRow>
      </TableHeader>
      <TableBody>
        {events.map((event) => (
          <EventRow key={event.seq} event={event} />
        ))}
      </TableBody>
    </Table>
  );
}

function EventRow({ event }: { event: RunEvent }) {
  return (
    <TableRow className="[&>td]:align-top">
      <TableCell className="figures w-0 text-right text-muted-foreground">{event.seq}</TableCell>
      <TableCell className="figures w-0 whitespace-nowrap text-muted-foreground">
        <time dateTime={event.at} title={formatExact(event.at)}>
          {formatClock(event.at)}
        </time>
      </TableCell>
      <TableCell className="min-w-40">
        {isEmpty(event.data) ? (
          <code className="pl-5 text-xs">{event.type}</code>
        ) : (
          <Disclosure summary={<code className="text-xs">{event.type}</code>}>
            <JsonView value={event.data} label={`data of event ${event.seq}`} className="my-1" />
          </Disclosure>
        )}
      </TableCell>
      <TableCell className="figures text-right text-muted-foreground max-md:hidden">{event.epoch}</TableCell>
      <TableCell className="max-w-48 truncate text-muted-foreground max-md:hidden">{event.actor}</TableCell>
      <TableCell className="w-0 max-lg:hidden">
        <span className="flex items-center gap-1">
          <code className="text-xs text-muted-foreground">{shortHash(event.hash)}</code>
          <CopyButton value={event.hash} label={`Copy the hash of event ${event.seq}`} />
        </span>
      </TableCell>
    </TableRow>
  );
}
