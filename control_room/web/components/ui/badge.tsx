import { cva, type VariantProps } from "class-variance-authority";
import type { ComponentProps } from "react";
import { cn } from "@/lib/cn";

const badgeVariants = cva(
  "inline-flex w-fit items-center gap-1 rounded-sm px-1.5 py-0.5 text-xs leading-4 font-medium whitespace-nowrap [&_svg]:size-3 [&_svg]:shrink-0",
  {
    variants: {
      variant: {
        neutral: "bg-secondary text-secondary-foreground",
        outline: "border text-muted-foreground",
        waiting: "bg-waiting/12 text-waiting",
        queued: "bg-queued/12 text-queued",
        running: "bg-running/12 text-running",
        succeeded: "bg-succeeded/12 text-succeeded",
        failed: "bg-failed/12 text-failed",
        cancelled: "bg-cancelled/12 text-cancelled",
        skipped: "border border-dashed border-skipped/50 text-skipped",
      },
    },
    defaultVariants: { variant: "neutral" },
  },
);

export type BadgeVariant = NonNullable<VariantProps<typeof badgeVariants>["variant"]>;

export function Badge({ className, variant, ...props }: ComponentProps<"span"> & { variant?: BadgeVariant }) {
  return <span data-slot="badge" className={cn(badgeVariants({ variant }), className)} {...props} />;
}
