"use client";

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { CircleStop } from "lucide-react";
import { type FormEvent, useState } from "react";
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
import { Textarea } from "@/components/ui/input";
import { cancelRun, type RunDetail, runKeys } from "@/services/runs";

export function CancelButton({ run }: { run: RunDetail }) {
  const [open, setOpen] = useState(false);
  const asked = run.cancel_requested_at !== null;
  return (
    <Dialog open={open} onOpenChange={setOpen}>
      <DialogTrigger asChild>
        <Button variant="outline">
          <CircleStop aria-hidden /> {asked ? "Force cancel" : "Cancel"}
        </Button>
      </DialogTrigger>
      <DialogContent>
        <CancelForm run={run} force={asked} done={() => setOpen(false)} />
      </DialogContent>
    </Dialog>
  );
}

function CancelForm({ run, force, done }: { run: RunDetail; force: boolean; done: () => void }) {
  const client = useQueryClient();
  const cancel = useMutation({
    mutationFn: (reason: string) => cancelRun(run.run_id, reason, force),
    onSuccess: done,
    onSettled: () => client.invalidateQueries({ queryKey: runKeys.all }),
  });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    cancel.mutate(String(new FormData(event.currentTarget).get("reason") ?? "").trim());
  };
  return (
    <form onSubmit={submit} className="grid gap-4">
      <DialogTitle>{force ? `Force run #${run.number} to end?` : `Cancel run #${run.number}?`}</DialogTitle>
      <DialogDescription>{explain(run, force)}</DialogDescription>
      <div className="grid gap-1 text-sm">
        <label htmlFor="reason">Reason, kept with the run</label>
        <Textarea id="reason" name="reason" maxLength={1000} placeholder="cancelled by an operator" />
      </div>
      {cancel.error && <ProblemNotice error={cancel.error} />}
      <DialogFooter>
        <DialogClose asChild>
          <Button variant="outline">Keep it running</Button>
        </DialogClose>
        <Button type="submit" variant="destructive" disabled={cancel.isPending}>
          {force ? "Force cancel" : "Cancel run"}
        </Button>
      </DialogFooter>
    </form>
  );
}

function explain(run: RunDetail, force: boolean): string {
  if (force) {
    return "Takes the lease away without waiting for the executor. What it still reports or publishes is refused.";
  }
  if (run.kind === "pipeline")
    return "Tasks that run are asked to stop; tasks that wait never start. What was published stays.";
  return run.state === "running"
    ? "The executor is asked to stop and has a grace period to do so. Nothing of this attempt is published."
    : "The run never starts. It can be retried later as a new run.";
}
