"use client";

import { useQuery } from "@tanstack/react-query";
import Link from "next/link";
import { runHref } from "@/components/runs/run-link";
import { runQuery } from "@/services/runs";

/** A link to a run known by its id; shows its number as soon as that is known. */
export function RunRef({ run_id }: { run_id: string }) {
  const { data } = useQuery({ ...runQuery(run_id), refetchInterval: false, staleTime: 60_000 });
  return (
    <Link href={runHref(data?.number ?? run_id)} prefetch={false} className="text-link figures">
      {data ? `#${data.number} ${data.task_key ?? data.template_name}` : run_id.slice(0, 13)}
    </Link>
  );
}
