import Link from "next/link";
import type { ReactNode } from "react";

export function runHref(ref: string | number, tab?: string): string {
  return tab ? `/run/?id=${ref}&tab=${tab}` : `/run/?id=${ref}`;
}

type RunLinkProps = { number: number; children?: ReactNode; className?: string };

export function RunLink({ number, children, className }: RunLinkProps) {
  return (
    <Link href={runHref(number)} prefetch={false} className={className ?? "text-link figures font-medium"}>
      {children ?? `#${number}`}
    </Link>
  );
}
