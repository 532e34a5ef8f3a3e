"use client";

import { useQuery } from "@tanstack/react-query";
import { ListX, Workflow } from "lucide-react";
import { useCallback, useMemo } from "react";
import { isFiltered, NO_FILTERS, readFilters } from "@/components/runs/filters";
import { RunsFilters } from "@/components/runs/runs-filters";
import { RunsTable, RunsTableSkeleton } from "@/components/runs/runs-table";
import { Command, Notice } from "@/components/shell/notice";
import { ProblemNotice } from "@/components/shell/problem";
import { Button } from "@/components/ui/button";
import { Card } from "@/components/ui/card";
import { type UrlChange, useUrl } from "@/hooks/use-url";
import { cn } from "@/lib/cn";
import { type RunFilters, type RunPage, runsQuery } from "@/services/runs";

export function RunsPage() {
  const { params, change } = useUrl();
  const filters = useMemo(() => readFilters(params), [params]);
  const { data, error, isPlaceholderData, refetch } = useQuery(runsQuery(filters));
  const filter = useCallback((values: UrlChange) => change(values), [change]);
  return (
    <div className="space-y-4">
      <h1 className="text-lg font-semibold">Runs</h1>
      <RunsFilters filters={filters} change={filter} />
      {error && <ProblemNotice error={error} retry={() => void refetch()} />}
      {(data || !error) && (
        <Card className={cn(isPlaceholderData && "opacity-60")} aria-busy={isPlaceholderData}>
          <Content data={data} filters={filters} change={filter} />
        </Card>
      )}
      {data && (data.items.length > 0 || filters.cursor) && (
        <Pages page={data} filters={filters} change={change} />
      )}
    </div>
  );
}

type ContentProps = { data: RunPage | undefined; filters: RunFilters; change: (values: UrlChange) => void };

function Content({ data, filters, change }: ContentProps) {
  if (!data) return <RunsTableSkeleton />;
  if (data.items.length > 0) return <RunsTable runs={data.items} />;
  if (isFiltered(filters) || filters.cursor) return <NothingFound change={change} />;
  return <NothingYet />;
}

function NothingYet() {
  return (
    <Notice icon={<Workflow aria-hidden />} title="No runs yet">
      Run the demo on real data with <Command>control-room demo</Command>, or submit a template of your own
      with <Command>control-room submit TEMPLATE</Command>. It shows here as soon as it is accepted.
    </Notice>
  );
}

function NothingFound({ change }: { change: (values: UrlChange) => void }) {
  return (
    <Notice
      icon={<ListX aria-hidden />}
      title="No run matches these filters"
      actions={
        <Button variant="outline" onClick={() => change(NO_FILTERS)}>
          Clear filters
        </Button>
      }
    >
      Tasks of pipelines are left out while “top-level only” is on.
    </Notice>
  );
}

type PagesProps = { page: RunPage; filters: RunFilters; change: (values: UrlChange, how: "push") => void };

function Pages({ page, filters, change }: PagesProps) {
  const count = page.items.length;
  return (
    <nav aria-label="Pages" className="flex items-center justify-between gap-3 text-xs text-muted-foreground">
      <p role="status">{count === 1 ? "1 run" : `${count} runs`} on this page, newest first</p>
      <span className="flex gap-2">
        {filters.cursor && (
          <Button variant="outline" size="sm" onClick={() => change({ cursor: null }, "push")}>
            Newest
          </Button>
        )}
        {page.next_cursor && (
          <Button variant="outline" size="sm" onClick={() => change({ cursor: page.next_cursor }, "push")}>
            Older
          </Button>
        )}
      </span>
    </nav>
  );
}
