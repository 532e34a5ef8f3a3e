import { CopyButton } from "@/components/shell/copy-button";
import { Scrollable } from "@/components/ui/scrollable";
import { cn } from "@/lib/cn";

/** A value as indented JSON, to read and to copy. */
export function JsonView({ value, label, className }: { value: unknown; label: string; className?: string }) {
  const text = JSON.stringify(value, null, 2);
  return (
    <div className={cn("relative rounded-md border bg-log", className)}>
      <div className="absolute top-1.5 right-1.5 z-10">
        <CopyButton value={text} label={`Copy ${label}`} />
      </div>
      <Scrollable label={label} className="max-h-96">
        <pre className="py-2 pr-10 pl-3 text-xs leading-5">{text}</pre>
      </Scrollable>
    </div>
  );
}
