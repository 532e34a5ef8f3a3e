"use client";

import { useQuery } from "@tanstack/react-query";
import { Database } from "lucide-react";
import Link from "next/link";
import { useEffect } from "react";
import { RunList, Version } from "@/components/run/lineage-table";
import { Section } from "@/components/run/section";
import { Address } from "@/components/shell/address";
import { Asked } from "@/components/shell/asked";
import { CopyButton } from "@/components/shell/copy-button";
import { Notice } from "@/components/shell/notice";
import { RelativeTime } from "@/components/shell/time";
import { Button } from "@/components/ui/button";
import { Table, TableBody, TableCell, TableHead, TableHeader, TableRow } from "@/components/ui/table";
import { useUrl } from "@/hooks/use-url";
import { type DataVersion, dataText, versionsOf } from "@/lib/lineage";
import { dataRunsQuery } from "@/services/lineage";

/** One table, object or file: who made each version of it, and who read it. */
export function DataPage() {
  const { params } = useUrl();
  const [namespace, name] = [params.get("namespace"), params.get("name")];
  if (!namespace || !name) return <NoSuchAddress />;
  return <DataByName key={`${namespace} ${name}`} namespace={namespace} name={name} />;
}

function DataByName({ namespace, name }: { namespace: string; name: string }) {
  const { params, change } = useUrl();
  const cursor = params.get("cursor");
  const asked = useQuery(dataRunsQuery(namespace, name, cursor));
  const text = dataText({ namespace, name });
  const read = asked.data !== undefined;
  useEffect(() => {
    // Not before there is something to show: the page's own title comes after its first effects.
    if (read) document.title = `${text} · Lakehouse Control Room`;
  }, [text, read]);
  return (
    <div className="grid grid-cols-[minmax(0,1fr)] gap-4">
      <h1 className="flex flex-wrap items-center gap-1 text-lg font-semibold">
        <span className="min-w-0 wrap-anywhere">
          <Address>{text}</Address>
        </span>
        <CopyButton value={`${namespace}/${name}`} label={`Copy ${namespace}/${name}`} />
      </h1>
      <Section title="Versions">
        <Asked query={asked}>
          {({ items }) => (items.length === 0 ? <Nothing /> : <Versions versions={versionsOf(items)} />)}
        </Asked>
      </Section>
      {(cursor || asked.data?.next_cursor) && (
        <nav aria-label="Pages" className="flex justify-end gap-2">
          {cursor && (
            <Button variant="outline" size="sm" onClick={() => change({ cursor: null }, "push")}>
              Newest
            </Button>
          )}
          {asked.data?.next_cursor && (
            <Button
              variant="outline"
              size="sm"
              onClick={() => change({ cursor: asked.data?.next_cursor ?? null }, "push")}
            >
              Older
            </Button>
          )}
        </nav>
      )}
    </div>
  );
}

function Versions({ versions }: { versions: DataVersion[] }) {
  return (
    <Table label="Versions">
      <TableHeader>
        <TableRow>
          <TableHead>Version</TableHead>
          <TableHead>Made by</TableHead>
          <TableHead className="max-sm:hidden">Made</TableHead>
          <TableHead>Read by</TableHead>
        </TableRow>
      </TableHeader>
      <TableBody>
        {versions.map(({ version, made, read }) => (
          <TableRow key={version ?? ""} data-version={version ?? ""}>
            <TableCell className="figures w-24">
              {version === null ? (
                <span className="text-muted-foreground">not on record</span>
              ) : (
                <Version text={version} />
              )}
            </TableCell>
            <TableCell>
              <RunList runs={made} />
            </TableCell>
            <TableCell className="text-muted-foreground max-sm:hidden">
              <RelativeTime at={made[0]?.finished_at ?? null} />
            </TableCell>
            <TableCell>
              <RunList runs={read} />
            </TableCell>
          </TableRow>
        ))}
      </TableBody>
    </Table>
  );
}

function Nothing() {
  return (
    <Notice icon={<Database aria-hidden />} title="No run is on record that made or read this">
      What runs read shows some seconds after they have started, what they made some seconds after they have
      succeeded. Of other workspaces nothing is shown.
    </Notice>
  );
}

function NoSuchAddress() {
  return (
    <Notice
      title="Which data?"
      actions={
        <Button asChild variant="outline">
          <Link href="/runs/">Go to the runs</Link>
        </Button>
      }
    >
      This address names no data. The tab Lineage of a run leads to what it read and made.
    </Notice>
  );
}
