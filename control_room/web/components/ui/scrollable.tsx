import type { ComponentProps } from "react";
import { cn } from "@/lib/cn";

/** A named region that scrolls by itself. It takes focus, so that the keyboard can scroll it (WCAG 2.1.1). */
export function Scrollable({ label, className, ...props }: ComponentProps<"section"> & { label: string }) {
  return (
    <section
      data-slot="scrollable"
      aria-label={label}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
      tabIndex={0}
      className={cn("relative overflow-auto focus-visible:outline-offset-[-2px]", className)}
      {...props}
    />
  );
}
