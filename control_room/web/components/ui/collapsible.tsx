import { ChevronRight } from "lucide-react";
import type { ReactNode } from "react";
import { cn } from "@/lib/cn";

type DisclosureProps = { summary: ReactNode; children: ReactNode; className?: string; open?: boolean };

/** The browser's own disclosure: keyboard, find-in-page and screen readers work without a line of script. */
export function Disclosure({ summary, children, className, open }: DisclosureProps) {
  return (
    <details className={cn("group/details", className)} open={open}>
      <summary className="flex list-none items-center gap-1.5 text-sm [&::-webkit-details-marker]:hidden">
        <ChevronRight
          aria-hidden
          className="size-3.5 shrink-0 text-muted-foreground transition-transform group-open/details:rotate-90"
        />
        {summary}
      </summary>
      {children}
    </details>
  );
}
