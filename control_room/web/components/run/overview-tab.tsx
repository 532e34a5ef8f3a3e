import { Fragment, type ReactNode } from "react";
import { Result } from "@/components/run/result";
import { RunRef } from "@/components/run/run-ref";
import { RunLink } from "@/components/runs/run-link";
import { attemptText } from "@/components/runs/runs-table";
import { CopyButton } from "@/components/shell/copy-button";
import { JsonView } from "@/components/shell/json-view";
import { type KeyValue, KeyValues } from "@/components/shell/key-values";
import { Duration, RelativeTime } from "@/components/shell/time";
import { Badge, type BadgeVariant } from "@/components/ui/badge";
import { Card, CardContent, CardHeader, CardTitle } from "@/components/ui/card";
import { Table, TableBody, TableCell, TableHead, TableHeader, TableRow } from "@/components/ui/table";
import { formatCount, formatDuration, formatExact, formatValue, formatWord } from "@/lib/format";
import { isEmpty, type JsonObject } from "@/lib/json";
import { isTerminal } from "@/lib/states";
import { latestMetrics, measureName, measures, measureValue } from "@/lib/usage";
import type { CapEntry, Publication, Run, RunDetail, RunInput } from "@/services/runs";

export function OverviewTab({ run }: { run: RunDetail }) {
  const outputs = run.publications.length > 0 || run.outputs.length > 0;
  const result = isEmpty(run.result) ? null : run.result;
  const aside = outputs || result !== null || run.inputs.length > 0;
  return (
    <div className="grid grid-cols-[minmax(0,1fr)] items-start gap-4 lg:grid-cols-[minmax(0,1fr)_24rem]">
      <div className="grid grid-cols-[minmax(0,1fr)] gap-4">
        {outputs && <Outputs run={run} />}
        {run.inputs.length > 0 && <Inputs inputs={run.inputs} />}
        {result && (
          <Section title="Result">
            <Result result={result} />
          </Section>
        )}
        {!aside && <Params params={run.params} />}
      </div>
      <div className="grid grid-cols-[minmax(0,1fr)] gap-4">
        <Section title="About this run">
          <CardContent>
            <KeyValues items={facts(run)} />
          </CardContent>
        </Section>
        {aside && <Params params={run.params} />}
        <Measures title="Metrics" values={latestMetrics(run.attempts)} />
        <Measures title="Usage" values={run.usage} />
        <Measures title="Caps" values={run.caps} />
        {run.cap_ledger.length > 0 && <CapLedger entries={run.cap_ledger} />}
      </div>
    </div>
  );
}

function Section({ title, children }: { title: string; children: ReactNode }) {
  return (
    <Card aria-label={title}>
      <CardHeader>
        <CardTitle>{title}</CardTitle>
      </CardHeader>
      {children}
    </Card>
  );
}

function Params({ params }: { params: JsonObject }) {
  return (
    <Section title="Parameters">
      <CardContent>
        <ParamValues params={params} />
      </CardContent>
    </Section>
  );
}

function ParamValues({ params }: { params: JsonObject }) {
  if (isEmpty(params)) return <p className="text-muted-foreground">This run has no parameters.</p>;
  const nested = Object.values(params).some((value) => typeof value === "object" && value !== null);
  if (nested) return <JsonView value={params} label="parameters" />;
  return (
    <KeyValues items={Object.entries(params).map(([key, value]) => ({ key, value: formatValue(value) }))} />
  );
}

function facts(run: RunDetail): KeyValue[] {
  const optional = (key: string, value: ReactNode): KeyValue[] =>
    value === null || value === undefined ? [] : [{ key, value }];
  const labels = Object.entries(run.labels);
  return [
    { key: "Submitted", value: <RelativeTime at={run.submitted_at} /> },
    { key: "Started", value: run.started_at ? <RelativeTime at={run.started_at} /> : "–" },
    { key: "Duration", value: <Duration from={run.started_at} to={run.finished_at} /> },
    ...optional("Attempt", run.kind === "pipeline" ? null : attemptText(run)),
    ...optional("Executor", run.executor_name),
    ...optional("Rows", run.rows === null ? null : formatCount(run.rows)),
    { key: "Queue", value: `${run.queue}, priority ${run.priority}` },
    ...optional("Not before", isTerminal(run.state) ? null : run.not_before && formatExact(run.not_before)),
    ...optional("Deadline", run.deadline && formatExact(run.deadline)),
    ...optional("Retry of", run.retry_of && <RunRef run_id={run.retry_of} />),
    ...optional("Cancel reason", run.cancel_reason),
    ...optional("Labels", labels.length > 0 ? <Labels labels={labels} /> : null),
    { key: "Run id", value: <code className="text-2xs break-all">{run.run_id}</code> },
  ];
}

function Labels({ labels }: { labels: [string, string][] }) {
  return (
    <span className="flex flex-wrap gap-1">
      {labels.map(([key, value]) => (
        <Badge key={key} variant="outline">
          {key}={value}
        </Badge>
      ))}
    </span>
  );
}

function Measures({ title, values }: { title: string; values: JsonObject }) {
  if (isEmpty(values)) return null;
  return (
    <Section title={title}>
      <CardContent>
        <KeyValues items={measures(values)} className="figures" />
      </CardContent>
    </Section>
  );
}

/** What a cap did: which layer acted, what it saw, and how far beyond the limit that was. */
function CapLedger({ entries }: { entries: CapEntry[] }) {
  return (
    <Section title="Caps enforced">
      <ul className="divide-y">
        {entries.map((entry) => (
          <li
            key={`${entry.run_id} ${entry.epoch} ${entry.layer} ${entry.cap} ${entry.at}`}
            className="px-4 py-2.5"
          >
            <p className="font-medium">
              {measureName(entry.cap)}: {measureValue(entry.cap, entry.observed)} of{" "}
              {measureValue(entry.cap, entry.limit)}
            </p>
            <p className="text-xs text-muted-foreground">
              {entry.layer} layer, {formatWord(entry.action)}
              {entry.overshoot_ms === null ? "" : `, stopped after ${formatDuration(entry.overshoot_ms)}`},{" "}
              <RelativeTime at={entry.at} />
            </p>
          </li>
        ))}
      </ul>
    </Section>
  );
}

const PUBLICATION_STATES: Record<string, { variant: BadgeVariant; text: string }> = {
  recorded: { variant: "running", text: "publishing" },
  committed: { variant: "succeeded", text: "committed" },
  failed: { variant: "failed", text: "failed" },
};

/** Declared outputs, with what was published of them: the table's version is what others read. */
function Outputs({ run }: { run: RunDetail }) {
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
            <TableHead className="text-right">Version</TableHead>
            <TableHead className="text-right">Rows</TableHead>
            <TableHead className="max-md:hidden">Mode</TableHead>
            <TableHead className="max-sm:hidden">Table</TableHead>
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
              <TableCell className="text-right">–</TableCell>
              <TableCell className="text-right">–</TableCell>
              <TableCell className="text-muted-foreground max-md:hidden">{output.mode}</TableCell>
              <TableCell className="max-sm:hidden">
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
      <TableCell className="figures text-right">{formatValue(publication.table_version)}</TableCell>
      <TableCell className="figures text-right">{formatCount(publication.rows)}</TableCell>
      <TableCell className="text-muted-foreground max-md:hidden">{publication.mode}</TableCell>
      <TableCell className="max-sm:hidden">
        <Uri uri={publication.uri} />
      </TableCell>
    </TableRow>
  );
}

function Inputs({ inputs }: { inputs: RunInput[] }) {
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
              <TableCell className="text-muted-foreground">{input.kind}</TableCell>
              <TableCell className="figures text-right">{formatValue(input.version)}</TableCell>
              <TableCell>{input.from_run_id ? <RunRef run_id={input.from_run_id} /> : "–"}</TableCell>
              <TableCell className="max-sm:hidden">
                <Uri uri={input.uri ?? input.sha256 ?? ""} />
              </TableCell>
            </TableRow>
          ))}
        </TableBody>
      </Table>
    </Section>
  );
}

/** A long address, which may be broken after each slash. */
function Uri({ uri }: { uri: string }) {
  if (uri === "") return "–";
  return (
    <span className="flex items-center gap-1">
      <code className="text-xs wrap-anywhere">
        {uri.split(/(?<=\/)(?!\/)/).map((part, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: parts of one address never move
          <Fragment key={index}>
            {part}
            <wbr />
          </Fragment>
        ))}
      </code>
      <CopyButton value={uri} label={`Copy ${uri}`} />
    </span>
  );
}
