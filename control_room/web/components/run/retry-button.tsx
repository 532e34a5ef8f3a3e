"use client";

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { RotateCcw } from "lucide-react";
import { useRouter } from "next/navigation";
import { type ReactNode, useId, useState } from "react";
import { runHref } from "@/components/runs/run-link";
import { ProblemNotice } from "@/components/shell/problem";
import { Button } from "@/components/ui/button";
import {
  Dialog,
  DialogClose,
  DialogContent,
  DialogDescription,
  DialogFooter,
  DialogTitle,
  DialogTrigger,
} from "@/components/ui/dialog";
import { type RunDetail, retryRun, runKeys } from "@/services/runs";

export function RetryButton({ run }: { run: RunDetail }) {
  const [open, setOpen] = useState(false);
  const [key] = useState(randomKey);
  const [newest, setNewest] = useState(false);
  const [allTasks, setAllTasks] = useState(false);
  const client = useQueryClient();
  const router = useRouter();
  const retry = useMutation({
    mutationFn: () => retryRun(run.run_id, key, { newest, allTasks }),
    onSuccess: (created) => {
      setOpen(false);
      void client.invalidateQueries({ queryKey: runKeys.all });
      router.push(runHref(created.number));
    },
  });
  return (
    <Dialog open={open} onOpenChange={setOpen}>
      <DialogTrigger asChild>
        <Button variant="outline">
          <RotateCcw aria-hidden /> Retry
        </Button>
      </DialogTrigger>
      <DialogContent>
        <DialogTitle>Retry run #{run.number}?</DialogTitle>
        <DialogDescription>
          Makes a new run with the same parameters, linked to this one. This run stays as it is.
        </DialogDescription>
        <fieldset className="space-y-2">
          <legend className="sr-only">How</legend>
          <Choice checked={newest} onChange={setNewest} label="With the newest version of the template">
            As it was mended since; else with version {run.template_version}, as this run was.
          </Choice>
          {run.kind === "pipeline" && run.state !== "succeeded" && (
            <Choice checked={allTasks} onChange={setAllTasks} label="All tasks, also those that succeeded">
              Else they are kept, and the others read what they published.
            </Choice>
          )}
        </fieldset>
        {retry.error && <ProblemNotice error={retry.error} />}
        <DialogFooter>
          <DialogClose asChild>
            <Button variant="outline">Not now</Button>
          </DialogClose>
          <Button onClick={() => retry.mutate()} disabled={retry.isPending}>
            Make a new run
          </Button>
        </DialogFooter>
      </DialogContent>
    </Dialog>
  );
}

type ChoiceProps = {
  checked: boolean;
  onChange: (checked: boolean) => void;
  label: string;
  children: ReactNode;
};

function Choice({ checked, onChange, label, children }: ChoiceProps) {
  const id = useId();
  return (
    <div className="flex items-start gap-2">
      <input
        id={id}
        type="checkbox"
        className="mt-0.5 size-4 accent-primary"
        checked={checked}
        aria-describedby={`${id}-more`}
        onChange={(event) => onChange(event.target.checked)}
      />
      <div>
        <label htmlFor={id} className="font-medium">
          {label}
        </label>
        <p id={`${id}-more`} className="text-xs text-muted-foreground">
          {children}
        </p>
      </div>
    </div>
  );
}

/** randomUUID exists on secure origins only; a control room reached by plain http on a LAN has none. */
function randomKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `dashboard-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
