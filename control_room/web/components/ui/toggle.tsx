import type { ComponentProps } from "react";
import { cn } from "@/lib/cn";

type ToggleProps = Omit<ComponentProps<"button">, "aria-pressed"> & { pressed: boolean };

export function Toggle({ className, pressed, ...props }: ToggleProps) {
  return (
    <button
      type="button"
      data-slot="toggle"
      aria-pressed={pressed}
      className={cn(
        "inline-flex h-7 items-center gap-1.5 rounded-md border px-2 text-xs font-medium whitespace-nowrap text-muted-foreground hover:bg-accent aria-pressed:border-foreground/40 aria-pressed:bg-secondary aria-pressed:text-foreground [&_svg]:size-3",
        className,
      )}
      {...props}
    />
  );
}
