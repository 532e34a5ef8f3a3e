import type { Metadata } from "next";
import { LimitsPage } from "@/components/limits/limits-page";
import { AuthGate } from "@/components/shell/auth-gate";

export const metadata: Metadata = { title: "Limits" };

export default function Page() {
  return (
    <AuthGate>
      <LimitsPage />
    </AuthGate>
  );
}
