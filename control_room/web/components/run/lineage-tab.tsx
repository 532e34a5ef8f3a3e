"use client";

import { useQuery } from "@tanstack/react-query";
import { LineageEvents } from "@/components/run/lineage-events";
import { LineageGraph } from "@/components/run/lineage-graph";
import { LineageTable } from "@/components/run/lineage-table";
import { Section } from "@/components/run/section";
import { Asked } from "@/components/shell/asked";
import { Command, Notice } from "@/components/shell/notice";
import { fileNames } from "@/lib/lineage";
import { isTerminal } from "@/lib/states";
import { artifactsQuery } from "@/services/artifacts";
import { isWhole, lineageQuery, type RunLineage } from "@/services/lineage";
import type { RunDetail } from "@/services/runs";

/** What a run read and made, who made what it read, and who read what it made. */
export function LineageTab({ run }: { run: RunDetail }) {
  const asked = useQuery(lineageQuery(run.run_id));
  if (!asked.data) {
    return (
      <Section title="Lineage">
        <Asked query={asked}>{() => null}</Asked>
      </Section>
    );
  }
  return (
    <div className="grid grid-cols-[minmax(0,1fr)] gap-4">
      <Data run={run} lineage={asked.data} />
      {asked.data.events.length > 0 && <LineageEvents events={asked.data.events} />}
    </div>
  );
}

function Data({ run, lineage }: { run: RunDetail; lineage: RunLineage }) {
  const { data: artifacts } = useQuery(artifactsQuery(run.run_id));
  const names = fileNames(run.inputs, artifacts ?? []);
  const common = { self: run.run_id, names };
  if (lineage.inputs.length === 0 && lineage.outputs.length === 0) {
    return (
      <Section title="Lineage">
        <Nothing open={!isTerminal(run.state) || !isWhole(lineage)} />
      </Section>
    );
  }
  return (
    <>
      <LineageGraph run={run} lineage={lineage} names={names} />
      <LineageTable title="What it read" other="Made by" {...common} data={lineage.inputs} />
      <LineageTable title="What it made" other="Read by" {...common} data={lineage.outputs} />
    </>
  );
}

function Nothing({ open }: { open: boolean }) {
  if (open) {
    return (
      <Notice title="Nothing is on record yet">
        What a run reads shows some seconds after it has started, what it made some seconds after it has
        succeeded.
      </Notice>
    );
  }
  return (
    <Notice title="This run read and made no data that is on record">
      Data is what a template names under <Command>inputs</Command> and <Command>outputs</Command>, tables
      that an engine wrote, and artifacts.
    </Notice>
  );
}
