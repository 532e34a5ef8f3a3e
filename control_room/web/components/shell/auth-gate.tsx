"use client";

import { useQuery } from "@tanstack/react-query";
import { KeyRound } from "lucide-react";
import type { ReactNode } from "react";
import { Notice } from "@/components/shell/notice";
import { SignInHelp } from "@/components/shell/sign-in-help";
import { meQuery } from "@/services/auth";

/** Shows the page to those signed in, and to everybody else how to sign in. The page's own requests do not wait for it. */
export function AuthGate({ children }: { children: ReactNode }) {
  const { data: me } = useQuery(meQuery());
  if (me !== null) return children;
  return (
    <Notice icon={<KeyRound aria-hidden />} title="You are not signed in">
      <SignInHelp />
      <p className="mt-2">Then come back to this tab: it goes on where you are.</p>
    </Notice>
  );
}
