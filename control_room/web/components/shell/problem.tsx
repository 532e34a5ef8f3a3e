import { CircleAlert } from "lucide-react";
import type { ReactNode } from "react";
import { Command } from "@/components/shell/notice";
import { Prose } from "@/components/shell/prose";
import { Button } from "@/components/ui/button";
import { cn } from "@/lib/cn";
import { ProblemError } from "@/services/http";

/** What a person can do about a problem, by its code; the server's own hint comes first. */
export function whatToDo(problem: ProblemError): ReactNode {
  if (problem.hint) return <Prose text={problem.hint} />;
  switch (problem.code) {
    case "unreachable":
      return (
        <>
          See whether it runs with <Command>control-room status</Command>, and start it with{" "}
          <Command>control-room up</Command>.
        </>
      );
    case "database_unavailable":
      return "Runs in progress continue. This page tries again by itself; if it lasts, look at the database's log.";
    case "object_store_unavailable":
      return "Nothing is lost. Try again shortly; if it lasts, look at the object store's log.";
    case "forbidden":
      return "Your role does not allow this. Sign in with an operator's link.";
    case "run_not_found":
      return "Check the number in the address, or look for the run in the list.";
    case "origin_refused":
      return "Open the dashboard under the address the server is configured with (OPS_PUBLIC_URL).";
    case "invalid_transition":
      return "The run moved on in the meantime; the page shows its state now.";
    default:
      return problem.isTransient ? "Try again. If it stays, the server's log says more." : null;
  }
}

type ProblemNoticeProps = { error: Error; retry?: () => void; className?: string };

export function ProblemNotice({ error, retry, className }: ProblemNoticeProps) {
  const problem = error instanceof ProblemError ? error : null;
  const advice = problem && whatToDo(problem);
  return (
    <div
      role="alert"
      data-slot="problem"
      className={cn("flex gap-3 rounded-lg border border-failed/40 bg-failed/6 px-4 py-3 text-sm", className)}
    >
      <CircleAlert aria-hidden className="mt-0.5 size-4 shrink-0 text-failed" />
      <div className="min-w-0 space-y-1">
        <p className="font-semibold">{problem?.title ?? "This page met an error"}</p>
        <p className="break-words">
          <Prose text={problem?.detail ?? error.message} />
        </p>
        {problem && problem.issues.length > 0 && (
          <ul className="list-disc pl-4">
            {problem.issues.map((issue) => (
              <li key={`${issue.path} ${issue.message}`}>
                <code>{issue.path || "/"}</code> {issue.message}
              </li>
            ))}
          </ul>
        )}
        {advice && <p className="text-muted-foreground">{advice}</p>}
        {problem && problem.status > 0 && (
          <p className="text-xs text-muted-foreground">
            {problem.status} <code>{problem.code}</code>
          </p>
        )}
        {retry && (
          <Button variant="outline" size="sm" onClick={retry} className="mt-1">
            Try again
          </Button>
        )}
      </div>
    </div>
  );
}
