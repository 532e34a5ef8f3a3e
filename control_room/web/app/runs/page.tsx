import type { Metadata } from "next";
import { Suspense } from "react";
import { RunsPage } from "@/components/runs/runs-page";
import { RunsTableSkeleton } from "@/components/runs/runs-table";
import { AuthGate } from "@/components/shell/auth-gate";

export const metadata: Metadata = { title: "Runs" };

export default function Page() {
  return (
    <AuthGate>
      <Suspense fallback={<RunsTableSkeleton />}>
        <RunsPage />
      </Suspense>
    </AuthGate>
  );
}
