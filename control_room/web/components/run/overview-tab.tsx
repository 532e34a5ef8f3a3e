import Link from "next/link";
import type { ReactNode } from "react";
import { Inputs, Outputs } from "@/components/run/ports";
import { Result } from "@/components/run/result";
import { RunRef } from "@/components/run/run-ref";
import { Section } from "@/components/run/section";
import { runHref } from "@/components/runs/run-link";
import { attemptText } from "@/components/runs/runs-table";
import { JsonView } from "@/components/shell/json-view";
import { type KeyValue, KeyValues } from "@/components/shell/key-values";
import { Duration, RelativeTime } from "@/components/shell/time";
import { Badge } from "@/components/ui/badge";
import { CardContent } from "@/components/ui/card";
import { capValue } from "@/lib/caps";
import {
  formatAmount,
  formatCount,
  formatDuration,
  formatExact,
  formatValue,
  formatWord,
} from "@/lib/format";
import { isEmpty, type JsonObject } from "@/lib/json";
import { isTerminal } from "@/lib/states";
import { latestMetrics, limitName, measures } from "@/lib/usage";
import type { CapEntry, RunDetail } from "@/services/runs";

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
        {passed(run).length > 0 && <CapLedger run={run} />}
      </div>
    </div>
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
    ...optional("Cost", run.cost && `${formatAmount(run.cost.amount)} ${run.cost.currency}`),
    ...optional("Legal hold", run.legal_hold?.reason),
    { key: "Queue", value: `${run.queue}, priority ${run.priority}` },
    ...optional("Not before", isTerminal(run.state) ? null : run.not_before && formatExact(run.not_before)),
    ...optional("Deadline", run.deadline && formatExact(run.deadline)),
    ...optional("Retry of", run.retry_of && <RunRef run_id={run.retry_of} />),
    ...optional("Does again", run.reproduces && <RunRef run_id={run.reproduces} />),
    ...optional("Reused from", run.reused_from && <RunRef run_id={run.reused_from} />),
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

/** A budget that held the run is no cap that it passed; the panel above the tabs tells of that as long as it holds. */
function passed(run: RunDetail): CapEntry[] {
  return run.cap_ledger.filter((entry) => entry.action !== "held");
}

/** What a cap did: which layer acted, what it saw, and how far beyond the limit that was. */
function CapLedger({ run }: { run: RunDetail }) {
  return (
    <Section title="Caps passed">
      <ul className="divide-y">
        {passed(run).map((entry) => (
          <li
            key={`${entry.run_id} ${entry.epoch} ${entry.layer} ${entry.cap} ${entry.at}`}
            className="px-4 py-2.5"
          >
            <p className="font-medium">
              {limitName(entry.cap)}: {capValue(entry.cap, entry.observed, run.cost?.currency)} of{" "}
              {capValue(entry.cap, entry.limit, run.cost?.currency)}
            </p>
            <p className="text-xs text-muted-foreground">
              {formatWord(entry.layer)} layer, {formatWord(entry.action)}
              {entry.overshoot_ms === null ? "" : `, stopped after ${formatDuration(entry.overshoot_ms)}`},{" "}
              <RelativeTime at={entry.at} />
            </p>
          </li>
        ))}
      </ul>
      <CardContent className="border-t">
        <Link href={runHref(run.number, "limits")} prefetch={false} className="text-link">
          All caps of this run, and how soon it stopped
        </Link>
      </CardContent>
    </Section>
  );
}
