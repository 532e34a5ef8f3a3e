import { CircleX } from "lucide-react";
import { CopyButton } from "@/components/shell/copy-button";
import { Badge } from "@/components/ui/badge";
import { Card, CardContent, CardHeader, CardTitle } from "@/components/ui/card";
import { Disclosure } from "@/components/ui/collapsible";
import { Scrollable } from "@/components/ui/scrollable";
import { formatValue } from "@/lib/format";
import { isObject } from "@/lib/json";
import type { RunError } from "@/services/runs";

const CLASSES: Record<string, string> = {
  user: "The code or the parameters are at fault; the same run would fail again. Mend the template, then retry with its newest version.",
  external: "A system outside was at fault; trying again later may help.",
  internal: "The control room or the executor was at fault.",
  resources: "The run met a ceiling of memory, time or space.",
};

/** What went wrong, in the words of whoever noticed it. */
export function ErrorPanel({ error, title = "Error" }: { error: RunError; title?: string }) {
  return (
    <Card className="border-failed/50" aria-label={title}>
      <CardHeader className="border-failed/30">
        <span className="flex flex-wrap items-center gap-2">
          <CircleX aria-hidden className="size-4 text-failed" />
          <CardTitle>{title}</CardTitle>
          <Badge variant="failed">{error.class}</Badge>
          <code className="text-xs break-all">{error.code}</code>
        </span>
        <CopyButton value={asText(error)} label="Copy the error" />
      </CardHeader>
      <CardContent className="space-y-2">
        <p className="font-medium break-words whitespace-pre-wrap">{error.message}</p>
        {error.position !== null && (
          <p className="text-muted-foreground">
            at <code className="text-xs break-all">{formatPosition(error.position)}</code>
          </p>
        )}
        {CLASSES[error.class] && <p className="text-muted-foreground">{CLASSES[error.class]}</p>}
        {error.trace && <Trace trace={error.trace} />}
      </CardContent>
    </Card>
  );
}

function Trace({ trace }: { trace: string }) {
  return (
    <Disclosure summary="Trace">
      <Scrollable label="Trace" className="mt-2 max-h-[32rem] rounded-md border bg-log">
        <pre className="p-3 text-xs leading-5">{trace}</pre>
      </Scrollable>
    </Disclosure>
  );
}

/** `models/gold.sql, line 12` from whatever members the executor gave. */
export function formatPosition(position: unknown): string {
  if (!isObject(position)) return formatValue(position);
  return Object.entries(position)
    .filter(([, value]) => value !== null)
    .map(([key, value]) =>
      key === "file" || key === "path" ? String(value) : `${key} ${formatValue(value)}`,
    )
    .join(", ");
}

function asText(error: RunError): string {
  return [`${error.class} ${error.code}: ${error.message}`, error.trace].filter(Boolean).join("\n\n");
}
