import type { ReactNode } from "react";
import { cn } from "@/lib/cn";

export type KeyValue = { key: string; value: ReactNode };

/** Names and values in two columns that line up, whatever is between them. */
export function KeyValues({ items, className }: { items: KeyValue[]; className?: string }) {
  return (
    <dl
      className={cn("grid grid-cols-[fit-content(45%)_minmax(0,1fr)] gap-x-6 gap-y-1.5 text-sm", className)}
    >
      {items.map(({ key, value }) => (
        <div key={key} className="contents">
          <dt className="break-words text-muted-foreground">{key}</dt>
          <dd className="min-w-0 break-words">{value}</dd>
        </div>
      ))}
    </dl>
  );
}
