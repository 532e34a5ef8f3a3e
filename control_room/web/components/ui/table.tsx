import type { ComponentProps } from "react";
import { Scrollable } from "@/components/ui/scrollable";
import { cn } from "@/lib/cn";

/** Scrolls sideways where the page is too narrow for it. */
export function Table({ className, label, ...props }: ComponentProps<"table"> & { label: string }) {
  return (
    <Scrollable label={`${label}, scrollable`} className="w-full">
      <table
        data-slot="table"
        aria-label={label}
        className={cn("w-full text-left text-sm", className)}
        {...props}
      />
    </Scrollable>
  );
}

export function TableHeader({ className, ...props }: ComponentProps<"thead">) {
  return <thead data-slot="table-header" className={cn("border-b", className)} {...props} />;
}

export function TableBody({ className, ...props }: ComponentProps<"tbody">) {
  return <tbody data-slot="table-body" className={cn("[&_tr:last-child]:border-0", className)} {...props} />;
}

export function TableRow({ className, ...props }: ComponentProps<"tr">) {
  return <tr data-slot="table-row" className={cn("border-b", className)} {...props} />;
}

export function TableHead({ className, ...props }: ComponentProps<"th">) {
  return (
    <th
      data-slot="table-head"
      scope="col"
      className={cn(
        "h-8 px-2.5 text-xs font-medium whitespace-nowrap text-muted-foreground first:pl-4 last:pr-4",
        className,
      )}
      {...props}
    />
  );
}

export function TableCell({ className, ...props }: ComponentProps<"td">) {
  return (
    <td
      data-slot="table-cell"
      className={cn("px-2.5 py-2 align-middle first:pl-4 last:pr-4", className)}
      {...props}
    />
  );
}
