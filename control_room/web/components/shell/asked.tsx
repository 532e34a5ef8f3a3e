import type { ReactNode } from "react";
import { ProblemNotice } from "@/components/shell/problem";
import { CardContent } from "@/components/ui/card";
import { Skeleton } from "@/components/ui/skeleton";

/** What a query of react-query tells of itself. */
export type Query<T> = { data: T | undefined; error: Error | null; refetch: () => unknown };

type AskedProps<T> = { query: Query<T>; children: (data: T) => ReactNode };

/** The content of a card that is asked for: a shade of it, the problem, or what came. Old data outlive a problem. */
export function Asked<T>({ query, children }: AskedProps<T>) {
  if (query.data !== undefined) return children(query.data);
  if (query.error) {
    return (
      <CardContent>
        <ProblemNotice error={query.error} retry={() => void query.refetch()} />
      </CardContent>
    );
  }
  return (
    <CardContent className="space-y-2" aria-busy="true">
      <Skeleton className="h-4 w-full" />
      <Skeleton className="h-4 w-2/3" />
    </CardContent>
  );
}
