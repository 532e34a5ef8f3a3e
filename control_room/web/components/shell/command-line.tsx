import { CopyButton } from "@/components/shell/copy-button";

/** A command to take to a terminal. */
export function CommandLine({ children }: { children: string }) {
  return (
    <span className="flex max-w-full items-center gap-1 rounded-md border bg-log py-1 pr-1 pl-3">
      <code className="min-w-0 flex-1 text-xs wrap-anywhere">{children}</code>
      <CopyButton value={children} label={`Copy: ${children}`} />
    </span>
  );
}
