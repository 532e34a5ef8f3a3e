import type { ReactNode } from "react";
import { Card, CardHeader, CardTitle } from "@/components/ui/card";

/** One titled part of a run's page. */
export function Section({ title, children }: { title: string; children: ReactNode }) {
  return (
    <Card aria-label={title}>
      <CardHeader>
        <CardTitle>{title}</CardTitle>
      </CardHeader>
      {children}
    </Card>
  );
}
