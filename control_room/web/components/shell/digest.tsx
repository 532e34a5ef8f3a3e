import { CopyButton } from "@/components/shell/copy-button";
import { cn } from "@/lib/cn";
import { shortHash } from "@/lib/format";

type DigestProps = { value: string | null; of: string; whole?: boolean };

/** A hexadecimal digest, cut where there is no room for it; what is copied is always all of it. */
export function Digest({ value, of, whole = false }: DigestProps) {
  if (value === null) return <span className="text-muted-foreground">–</span>;
  return (
    <span className="flex items-center gap-1">
      <code className={cn("text-xs text-muted-foreground", whole ? "wrap-anywhere" : "whitespace-nowrap")}>
        {whole ? value : shortHash(value)}
      </code>
      <CopyButton value={value} label={`Copy the ${of}`} />
    </span>
  );
}
