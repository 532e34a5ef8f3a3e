"use client";

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { RotateCcw } from "lucide-react";
import { useRouter } from "next/navigation";
import { useState } from "react";
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
  const client = useQueryClient();
  const router = useRouter();
  const retry = useMutation({
    mutationFn: () => retryRun(run.run_id, key),
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
          Makes a new run with the same template version and parameters, linked to this one. This run stays as
          it is.
        </DialogDescription>
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

/** randomUUID exists on secure origins only; a control room reached by plain http on a LAN has none. */
function randomKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `dashboard-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
