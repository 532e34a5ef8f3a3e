import type { Metadata } from "next";
import Link from "next/link";

export const metadata: Metadata = { title: "Runs" };

/** The front door is the list of runs. A static export cannot answer with a redirect, so the page carries one. */
export default function Home() {
  return (
    <p className="py-14 text-center text-sm text-muted-foreground">
      <meta httpEquiv="refresh" content="0; url=/runs/" />
      The runs are at{" "}
      <Link href="/runs/" className="text-link underline">
        /runs/
      </Link>
      .
    </p>
  );
}
