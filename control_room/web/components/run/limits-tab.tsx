"use client";

import { useQuery } from "@tanstack/react-query";
import Link from "next/link";
import { BudgetsTable } from "@/components/limits/budgets-table";
import { LedgerTable } from "@/components/limits/ledger-table";
import { CapsOfRun } from "@/components/run/caps-of-run";
import { Section } from "@/components/run/section";
import { Stops } from "@/components/run/stops";
import { Asked } from "@/components/shell/asked";
import { Command, Notice } from "@/components/shell/notice";
import { explainQuery } from "@/services/limits";
import type { RunDetail } from "@/services/runs";

/** What holds for a run: its caps, what they did, how soon it stopped, and the budgets that it counts against. */
export function LimitsTab({ run }: { run: RunDetail }) {
  const asked = useQuery(explainQuery(run.run_id, run.state));
  const stopped = run.attempts.filter((attempt) => attempt.timings);
  return (
    <div className="grid grid-cols-[minmax(0,1fr)] gap-4">
      <Section title="Caps">
        <Asked query={asked}>
          {({ caps }) => (caps.length === 0 ? <NoCap run={run} /> : <CapsOfRun caps={caps} run={run} />)}
        </Asked>
      </Section>
      {asked.data && asked.data.ledger.length > 0 && (
        <Section title="What caps did">
          <LedgerTable
            label="What caps did"
            entries={asked.data.ledger}
            attempts={new Map(run.attempts.map(({ epoch, attempt }) => [epoch, attempt]))}
            currency={run.cost?.currency ?? null}
          />
        </Section>
      )}
      {stopped.length > 0 && <Stops attempts={stopped} requestedAt={run.cancel_requested_at} />}
      {asked.data && (
        <Section title="Budgets">
          {asked.data.budgets.length === 0 ? (
            <Notice title="This run counts against no budget" className="py-8">
              A budget is what runs may use together; they are on the page{" "}
              <Link href="/limits/" className="text-link">
                Limits
              </Link>
              .
            </Notice>
          ) : (
            <BudgetsTable budgets={asked.data.budgets} estimates />
          )}
        </Section>
      )}
    </div>
  );
}

function NoCap({ run }: { run: RunDetail }) {
  return (
    <Notice title="No cap holds for this run" className="py-8">
      The log is cut off at 64 MiB in any case. For all runs of this template from now on:{" "}
      <Command>{`control-room caps set ${run.workspace}/${run.template_name} wall_seconds 3600`}</Command>
    </Notice>
  );
}
