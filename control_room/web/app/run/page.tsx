import type { Metadata } from "next";
import { Suspense } from "react";
import { RunPage, RunSkeleton } from "@/components/run/run-page";
import { AuthGate } from "@/components/shell/auth-gate";

export const metadata: Metadata = { title: "Run" };

export default function Page() {
  return (
    <AuthGate>
      <Suspense fallback={<RunSkeleton />}>
        <RunPage />
      </Suspense>
    </AuthGate>
  );
}
