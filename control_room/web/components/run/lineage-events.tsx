import { Section } from "@/components/run/section";
import { JsonView } from "@/components/shell/json-view";
import { Badge, type BadgeVariant } from "@/components/ui/badge";
import { Disclosure } from "@/components/ui/collapsible";
import { Table, TableBody, TableCell, TableHead, TableHeader, TableRow } from "@/components/ui/table";
import { formatClock, formatExact } from "@/lib/format";
import type { LineageEvent } from "@/services/lineage";

const STATES: Record<LineageEvent["state"], { variant: BadgeVariant; text: string }> = {
  pending: { variant: "waiting", text: "to be sent" },
  sent: { variant: "succeeded", text: "sent" },
  refused: { variant: "failed", text: "refused" },
  kept: { variant: "outline", text: "kept here" },
};
const MOST = 200;

/** The OpenLineage events that tell of the run, and whether somebody took them. */
export function LineageEvents({ events }: { events: LineageEvent[] }) {
  return (
    <Section title="OpenLineage events">
      <Table label="OpenLineage events">
        <TableHeader>
          <TableRow>
            <TableHead>Time</TableHead>
            <TableHead>Told</TableHead>
            <TableHead className="w-full">Event</TableHead>
          </TableRow>
        </TableHeader>
        <TableBody>
          {events.slice(0, MOST).map((event) => (
            <TableRow key={`${event.run_id} ${event.event_type} ${event.at}`}>
              <TableCell className="figures align-top whitespace-nowrap text-muted-foreground">
                <time dateTime={event.at} title={formatExact(event.at)}>
                  {formatClock(event.at)}
                </time>
              </TableCell>
              <TableCell className="align-top">
                <Badge variant={STATES[event.state].variant}>{STATES[event.state].text}</Badge>
              </TableCell>
              <TableCell className="min-w-56">
                <Disclosure summary={<code className="text-xs">{event.event_type}</code>}>
                  <JsonView
                    value={event.body}
                    label={`${event.event_type} at ${event.at}`}
                    className="mt-1"
                  />
                </Disclosure>
                {event.error && <p className="text-xs text-failed wrap-anywhere">{event.error}</p>}
              </TableCell>
            </TableRow>
          ))}
        </TableBody>
      </Table>
    </Section>
  );
}
