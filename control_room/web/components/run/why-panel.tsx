"use client";

import { useQuery } from "@tanstack/react-query";
import Link from "next/link";
import { JsonView } from "@/components/shell/json-view";
import { ProblemNotice } from "@/components/shell/problem";
import { Prose } from "@/components/shell/prose";
import { Card, CardContent, CardHeader, CardTitle } from "@/components/ui/card";
import { Disclosure } from "@/components/ui/collapsible";
import { Skeleton } from "@/components/ui/skeleton";
import { isEmpty } from "@/lib/json";
import { type RunDetail, type Why, whyQuery } from "@/services/runs";

/** The exact answer to "why is it not running?", for a run that waits or is queued. */
export function WhyPanel({ run }: { run: RunDetail }) {
  const { data, error } = useQuery(whyQuery(run.run_id));
  return (
    <Card aria-labelledby="why-title" className="border-waiting/50">
      <CardHeader>
        <CardTitle id="why-title">Why is it not running?</CardTitle>
      </CardHeader>
      <CardContent aria-live="polite">
        {error && <ProblemNotice error={error} />}
        {!data && !error && <Skeleton className="h-5 w-72 max-w-full" />}
        {data && <Reasons why={data} />}
      </CardContent>
    </Card>
  );
}

function Reasons({ why }: { why: Why }) {
  if (why.reasons.length === 0) return <p>Nothing holds it back: it starts with the next claim.</p>;
  return (
    <ul className="space-y-2">
      {why.reasons.map((reason) => (
        <li key={`${reason.code} ${reason.message}`} className="space-y-1">
          <p>
            <Prose text={reason.message} />{" "}
            <code className="text-xs text-muted-foreground">{reason.code}</code>
          </p>
          {reason.code === "budget_exhausted" && (
            <p className="text-sm">
              <Link href="/limits/" className="text-link">
                All budgets, and what else they hold
              </Link>
            </p>
          )}
          {!isEmpty(reason.detail) && (
            <Disclosure summary={<span className="text-xs text-muted-foreground">Detail</span>}>
              <JsonView value={reason.detail} label={`detail of ${reason.code}`} className="mt-1" />
            </Disclosure>
          )}
        </li>
      ))}
    </ul>
  );
}
