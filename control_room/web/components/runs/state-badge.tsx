import {
  Ban,
  CircleCheck,
  CircleDashed,
  CircleX,
  Hourglass,
  LoaderCircle,
  type LucideIcon,
  SkipForward,
} from "lucide-react";
import { Badge } from "@/components/ui/badge";
import { cn } from "@/lib/cn";
import { formatWord } from "@/lib/format";
import { isRunState, type RunState } from "@/lib/states";

/** Colour is never the only sign: each state has a shape of its own, too. */
const ICONS: Record<RunState, LucideIcon> = {
  waiting: Hourglass,
  queued: CircleDashed,
  running: LoaderCircle,
  succeeded: CircleCheck,
  failed: CircleX,
  cancelled: Ban,
  skipped: SkipForward,
};

const COLOURS: Record<RunState, string> = {
  waiting: "text-waiting",
  queued: "text-queued",
  running: "text-running",
  succeeded: "text-succeeded",
  failed: "text-failed",
  cancelled: "text-cancelled",
  skipped: "text-skipped",
};

export function StateIcon({ state, className }: { state: string; className?: string }) {
  if (!isRunState(state)) return null;
  const Icon = ICONS[state];
  const spin = state === "running" ? "animate-spin [animation-duration:2.5s]" : "";
  return <Icon aria-hidden className={cn("size-3.5 shrink-0", COLOURS[state], spin, className)} />;
}

export function StateBadge({ state }: { state: string }) {
  return (
    <Badge variant={isRunState(state) ? state : "neutral"} data-state={state}>
      <StateIcon state={state} />
      {state}
    </Badge>
  );
}

/** The badge with the reason the server gives, such as `publishing` or `retry backoff`. */
export function StateWithReason({ state, reason }: { state: string; reason: string | null }) {
  return (
    <span className="inline-flex flex-wrap items-center gap-x-2 gap-y-0.5">
      <StateBadge state={state} />
      {reason && reason !== state && (
        <span className="text-xs font-normal text-muted-foreground">{formatWord(reason)}</span>
      )}
    </span>
  );
}

const OUTCOMES: Record<string, RunState> = {
  running: "running",
  succeeded: "succeeded",
  failed: "failed",
  capped: "failed",
  expired: "waiting",
  cancelled: "cancelled",
};

export function OutcomeBadge({ outcome }: { outcome: string }) {
  const like = OUTCOMES[outcome];
  return (
    <Badge variant={like ?? "neutral"}>
      {like && <StateIcon state={like} />}
      {outcome}
    </Badge>
  );
}
