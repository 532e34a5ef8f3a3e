"use client";

import { useQuery } from "@tanstack/react-query";
import { ManifestParts } from "@/components/run/manifest-parts";
import { ManifestSummary } from "@/components/run/manifest-summary";
import { Section } from "@/components/run/section";
import { Asked } from "@/components/shell/asked";
import { Command, Notice } from "@/components/shell/notice";
import { isTerminal } from "@/lib/states";
import { manifestQuery } from "@/services/provenance";
import type { RunDetail } from "@/services/runs";

/** What was recorded of a run when it had ended. Nothing here was recomputed, and nothing here says that it was. */
export function ProvenanceTab({ run }: { run: RunDetail }) {
  const ended = isTerminal(run.state);
  const asked = useQuery(manifestQuery(run.run_id, ended));
  const manifest = asked.data?.manifest;
  if (manifest) {
    return (
      <div className="grid grid-cols-[minmax(0,1fr)] gap-4">
        <ManifestSummary run={run} manifest={manifest} rootOnRun={asked.data?.manifest_root ?? null} />
        <ManifestParts run={run} manifest={manifest} />
      </div>
    );
  }
  return (
    <Section title="Manifest">
      {ended ? <Asked query={asked}>{() => <NotYet />}</Asked> : <NotEnded />}
    </Section>
  );
}

function NotEnded() {
  return (
    <Notice title="There is none yet">
      When the run has ended, the control room records what it read, ran and wrote, by digest.
    </Notice>
  );
}

function NotYet() {
  return (
    <Notice title="It is about to be recorded">
      That takes some seconds after the end of a run. If it lasts, see <Command>control-room status</Command>{" "}
      and the server's log: while the signing key cannot be read, no manifest is made.
    </Notice>
  );
}
