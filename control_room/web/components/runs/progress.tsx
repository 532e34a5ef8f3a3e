import { formatCount } from "@/lib/format";
import type { Progress } from "@/services/runs";

/** A meter with its figure, and what the task says it is doing. */
export function ProgressMeter({ progress, label }: { progress: Progress | null; label: string }) {
  if (!progress) return null;
  const { fraction, message } = progress;
  return (
    <span className="flex max-w-44 min-w-24 flex-col gap-0.5">
      {fraction !== null && (
        <span className="flex items-center gap-2">
          <progress
            className="meter h-1.5 w-full appearance-none text-running"
            value={fraction}
            max={1}
            aria-label={label}
          />
          <span className="figures w-8 shrink-0 text-right text-xs text-muted-foreground">
            {Math.floor(fraction * 100)}%
          </span>
        </span>
      )}
      <span className="truncate text-xs text-muted-foreground" title={message ?? undefined}>
        {message ?? counted(progress)}
      </span>
    </span>
  );
}

function counted({ current, total, unit }: Progress): string | null {
  if (current === null) return null;
  const amount = total === null ? formatCount(current) : `${formatCount(current)} of ${formatCount(total)}`;
  return unit ? `${amount} ${unit}` : amount;
}
