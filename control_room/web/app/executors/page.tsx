import type { Metadata } from "next";
import { ExecutorsPage } from "@/components/executors/executors-page";
import { AuthGate } from "@/components/shell/auth-gate";

export const metadata: Metadata = { title: "Executors" };

export default function Page() {
  return (
    <AuthGate>
      <ExecutorsPage />
    </AuthGate>
  );
}
