"use client";

import { ProblemNotice } from "@/components/shell/problem";

/** The last resort: a defect of the page itself is shown as one, with a way to go on. */
export default function PageError({ error, reset }: { error: Error; reset: () => void }) {
  return <ProblemNotice error={error} retry={reset} className="mx-auto mt-10 max-w-xl" />;
}
