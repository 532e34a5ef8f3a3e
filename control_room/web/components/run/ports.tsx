import Link from "next/link";
import { RunRef } from "@/components/run/run-ref";
import { Section } from "@/components/run/section";
import { RunLink } from "@/components/runs/run-link";
import { Address } from "@/components/shell/address";
import { CopyButton } from "@/components/shell/copy-button";
import { Badge, type BadgeVariant } from "@/components/ui/badge";
import { Table, TableBody, TableCell, TableHead, TableHeader, TableRow } from "@/components/ui/table";
import { formatCount } from "@/lib/format";
import { dataAt, dataHref } from "@/lib/lineage";
import { isTerminal } from "@/lib/states";
import type { Publication, Run, RunDetail, RunInput } from "@/services/runs";

const PUBLICATION_STATES: Record<string, { variant: BadgeVariant; text: string }> = {
  recorded: { variant: "running", text: "publishing" },
  committed: { variant: "succeeded", text: "committed" },
  failed: { variant: "failed", text: "failed" },
};

/** Declared outputs, with what was published of them: the version is what others read. */
export function Outputs({ run }: { run: RunDetail }) {
  const published = new Map(run.publications.map((publication) => [publication.output, publication]));
  const declared = run.outputs.filter((output) => !published.has(output.name));
  const children = new Map(run.children.map((child) => [child.run_id, child]));
  return (
    <Section title="Outputs">
      <Table label="Outputs">
        <TableHeader>
          <TableRow>
            <TableHead>Output</TableHead>
            {children.size > 0 && <TableHead className="max-sm:hidden">Task</TableHead>}
            <TableHead>State</TableHead>
            <TableHead>Format</TableHead>
            <TableHead className="text-right">Version</TableHead>
            <TableHead className="text-right">Rows</TableHead>
            <TableHead className="max-2xl:hidden">Mode</TableHead>
            <TableHead className="max-sm:hidden">Where</TableHead>
          </TableRow>
        </TableHeader>
        <TableBody>
          {run.publications.map((publication) => (
            <PublicationRow
              key={`${publication.run_id} ${publication.output} ${publication.epoch}`}
              publication={publication}
              task={children.get(publication.run_id) ?? null}
            />
          ))}
          {declared.map((output) => (
            <TableRow key={output.name}>
              <TableCell className="font-medium">{output.name}</TableCell>
              <TableCell className="whitespace-nowrap text-muted-foreground">
                {isTerminal(run.state) ? "not published" : "not yet"}
              </TableCell>
              <TableCell className="text-muted-foreground">{output.format}</TableCell>
              <TableCell className="text-right">–</TableCell>
              <TableCell className="text-right">–</TableCell>
              <TableCell className="text-muted-foreground max-2xl:hidden">{output.mode}</TableCell>
              <TableCell className="min-w-56 max-sm:hidden">
                <Uri uri={output.uri} />
              </TableCell>
            </TableRow>
          ))}
        </TableBody>
      </Table>
    </Section>
  );
}

function PublicationRow({ publication, task }: { publication: Publication; task: Run | null }) {
  const shown = PUBLICATION_STATES[publication.state];
  return (
    <TableRow>
      <TableCell className="min-w-40 font-medium wrap-anywhere">{publication.output}</TableCell>
      {task && (
        <TableCell className="max-sm:hidden">
          <RunLink number={task.number}>{task.task_key ?? `#${task.number}`}</RunLink>
        </TableCell>
      )}
      <TableCell>
        <Badge variant={shown?.variant ?? "neutral"}>{shown?.text ?? publication.state}</Badge>
      </TableCell>
      <TableCell className="text-muted-foreground">{publication.format}</TableCell>
      <TableCell className="figures text-right">
        <VersionLink
          version={publication.table_version}
          of={publication.output}
          uri={lineageUri(publication)}
        />
      </TableCell>
      <TableCell className="figures text-right">
        {publication.format === "object" ? "–" : formatCount(publication.rows)}
      </TableCell>
      <TableCell className="text-muted-foreground max-2xl:hidden">{publication.mode}</TableCell>
      <TableCell className="min-w-56 max-sm:hidden">
        <Uri uri={publication.uri} />
        {publication.location && publication.location !== publication.uri && (
          <>
            <p className="pt-1 text-xs text-muted-foreground">its files</p>
            <Uri uri={publication.location} />
          </>
        )}
      </TableCell>
    </TableRow>
  );
}

/** What the run reads, at which version. */
export function Inputs({ inputs }: { inputs: RunInput[] }) {
  return (
    <Section title="Inputs">
      <Table label="Inputs">
        <TableHeader>
          <TableRow>
            <TableHead>Input</TableHead>
            <TableHead>Kind</TableHead>
            <TableHead className="text-right">Version</TableHead>
            <TableHead>From</TableHead>
            <TableHead className="max-sm:hidden">Where</TableHead>
          </TableRow>
        </TableHeader>
        <TableBody>
          {inputs.map((input) => (
            <TableRow key={input.name}>
              <TableCell className="font-medium">{input.name}</TableCell>
              <TableCell className="text-muted-foreground">{inputKind(input)}</TableCell>
              <TableCell className="figures text-right">
                <VersionLink version={input.version} of={input.name} uri={input.uri} />
              </TableCell>
              <TableCell>{input.from_run_id ? <RunRef run_id={input.from_run_id} /> : "–"}</TableCell>
              <TableCell className="min-w-56 max-sm:hidden">
                <Uri uri={input.uri ?? input.sha256 ?? ""} />
              </TableCell>
            </TableRow>
          ))}
        </TableBody>
      </Table>
    </Section>
  );
}

function inputKind({ kind, format }: RunInput): string {
  return kind === "table" && format ? `${format} table` : kind;
}

/** Where lineage finds a publication: an Iceberg table by its files, as engines name it. */
function lineageUri({ format, location, uri }: Publication): string {
  return format === "iceberg" ? (location ?? uri) : uri;
}

type VersionLinkProps = { version: string | null; of: string; uri: string | null };

/** A version, which leads to who made and who read each one. */
function VersionLink({ version, of, uri }: VersionLinkProps) {
  const data = uri === null ? null : dataAt(uri);
  if (version === null || data === null) return version ?? "–";
  const label = `Version ${version} of ${of}: who made and who read it`;
  return (
    <Link href={dataHref(data)} prefetch={false} aria-label={label} title={label} className="text-link">
      {version}
    </Link>
  );
}

/** A long address, which may be broken after each slash. */
function Uri({ uri }: { uri: string }) {
  if (uri === "") return "–";
  return (
    <span className="flex items-center gap-1">
      <code className="text-xs wrap-anywhere">
        <Address>{uri}</Address>
      </code>
      <CopyButton value={uri} label={`Copy ${uri}`} />
    </span>
  );
}
