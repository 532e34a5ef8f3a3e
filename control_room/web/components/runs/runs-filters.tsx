"use client";

import { useQuery } from "@tanstack/react-query";
import { Search, X } from "lucide-react";
import { useRouter } from "next/navigation";
import { type FormEvent, useEffect, useRef } from "react";
import { isFiltered, NO_FILTERS, readRunRef, toggleState } from "@/components/runs/filters";
import { StateIcon } from "@/components/runs/state-badge";
import { Button } from "@/components/ui/button";
import { Input, Select } from "@/components/ui/input";
import { Toggle } from "@/components/ui/toggle";
import type { UrlChange } from "@/hooks/use-url";
import { formatWord } from "@/lib/format";
import { RUN_STATES } from "@/lib/states";
import { infoQuery } from "@/services/info";
import type { RunFilters } from "@/services/runs";

type Props = { filters: RunFilters; change: (values: UrlChange) => void };

const TYPING_MS = 250;

export function RunsFilters({ filters, change }: Props) {
  return (
    <search className="flex flex-wrap items-center gap-2" aria-label="Filter runs">
      <SearchField value={filters.q} change={change} />
      <KindSelect value={filters.kind} change={change} />
      <fieldset className="-mx-1 flex min-w-0 max-w-full gap-1 overflow-x-auto p-1 max-sm:order-last max-sm:w-full sm:flex-wrap">
        <legend className="sr-only">State</legend>
        {RUN_STATES.map((state) => (
          <Toggle
            key={state}
            pressed={filters.state.includes(state)}
            onClick={() => change(toggleState(filters, state))}
          >
            <StateIcon state={state} className="animate-none" />
            {state}
          </Toggle>
        ))}
      </fieldset>
      <Toggle
        pressed={filters.top_level}
        title="Leave out the tasks of pipelines"
        onClick={() => change({ top_level: filters.top_level ? "false" : null, cursor: null })}
      >
        top-level only
      </Toggle>
      {filters.template && (
        <Toggle
          pressed
          onClick={() => change({ template: null, cursor: null })}
          aria-label={`Remove filter: template ${filters.template}`}
        >
          {filters.template} <X aria-hidden />
        </Toggle>
      )}
      {filters.reason && (
        <Toggle
          pressed
          onClick={() => change({ reason: null, cursor: null })}
          aria-label={`Remove filter: reason ${formatWord(filters.reason)}`}
        >
          {formatWord(filters.reason)} <X aria-hidden />
        </Toggle>
      )}
      {isFiltered(filters) && (
        <Button variant="ghost" size="sm" onClick={() => change(NO_FILTERS)}>
          <X aria-hidden /> Clear filters
        </Button>
      )}
    </search>
  );
}

function SearchField({ value, change }: { value: string | null; change: Props["change"] }) {
  const router = useRouter();
  const field = useRef<HTMLInputElement>(null);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);

  // The address may change without typing (back, clear); the field follows, but never under the typist's fingers.
  useEffect(() => {
    if (field.current && field.current !== document.activeElement) field.current.value = value ?? "";
  }, [value]);
  useEffect(() => () => clearTimeout(timer.current), []);

  const search = (text: string) => change({ q: text.trim() || null, cursor: null });
  const typed = (text: string) => {
    clearTimeout(timer.current);
    timer.current = setTimeout(() => search(text), TYPING_MS);
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    clearTimeout(timer.current);
    const text = field.current?.value ?? "";
    const ref = readRunRef(text);
    if (ref) router.push(`/run/?id=${ref}`);
    else search(text);
  };
  return (
    <form onSubmit={submit} className="relative w-full sm:w-64">
      <Search
        aria-hidden
        className="pointer-events-none absolute top-2.5 left-2.5 size-3.5 text-muted-foreground"
      />
      <Input
        ref={field}
        type="search"
        name="q"
        defaultValue={value ?? ""}
        placeholder="Template, or a run's number"
        aria-label="Search by template, or go to a run by its number"
        autoComplete="off"
        spellCheck={false}
        className="pl-8"
        onChange={(event) => typed(event.currentTarget.value)}
      />
    </form>
  );
}

function KindSelect({ value, change }: { value: string | null; change: Props["change"] }) {
  const { data: info } = useQuery(infoQuery());
  const kinds = [...new Set(["pipeline", ...(info?.kinds ?? []), ...(value ? [value] : [])])];
  return (
    <Select
      aria-label="Kind"
      value={value ?? ""}
      onChange={(event) => change({ kind: event.currentTarget.value || null, cursor: null })}
    >
      <option value="">All kinds</option>
      {kinds.map((kind) => (
        <option key={kind} value={kind}>
          {kind}
        </option>
      ))}
    </Select>
  );
}
