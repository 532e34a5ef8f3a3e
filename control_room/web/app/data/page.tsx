import type { Metadata } from "next";
import { Suspense } from "react";
import { DataPage } from "@/components/data/data-page";
import { AuthGate } from "@/components/shell/auth-gate";

export const metadata: Metadata = { title: "Data" };

export default function Page() {
  return (
    <AuthGate>
      <Suspense>
        <DataPage />
      </Suspense>
    </AuthGate>
  );
}
