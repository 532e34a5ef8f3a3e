"use client";

import { useMutation } from "@tanstack/react-query";
import { LoaderCircle, ShieldAlert, ShieldCheck, ShieldQuestion } from "lucide-react";
import { Button } from "@/components/ui/button";
import { type Artifact, type Verification, verifyArtifact } from "@/services/artifacts";

/** Has the server read the bytes back from the store and compare their sha256 with the one on record. */
export function ArtifactVerify({ artifact }: { artifact: Artifact }) {
  const verify = useMutation({ mutationFn: () => verifyArtifact(artifact.artifact_id) });
  return (
    <>
      <span role="status" className="text-xs">
        {verify.data && <Verdict verification={verify.data} />}
        {verify.error && <span className="text-failed">{verify.error.message}</span>}
      </span>
      {!verify.data && (
        <Button
          variant="outline"
          size="sm"
          aria-label={`Verify ${artifact.name}`}
          title="Read the bytes back from the store and compare their sha256"
          disabled={verify.isPending}
          onClick={() => verify.mutate()}
        >
          {verify.isPending ? (
            <LoaderCircle aria-hidden className="animate-spin" />
          ) : (
            <ShieldQuestion aria-hidden />
          )}
          <span className="max-sm:sr-only">Verify</span>
        </Button>
      )}
    </>
  );
}

function Verdict({ verification }: { verification: Verification }) {
  return verification.ok ? (
    <span
      className="inline-flex items-center gap-1 font-medium text-succeeded"
      title={verification.sha256_expected}
    >
      <ShieldCheck aria-hidden className="size-3.5" /> sha256 matches
    </span>
  ) : (
    <span
      className="inline-flex items-center gap-1 font-medium text-failed"
      title={`expected ${verification.sha256_expected}, found ${verification.sha256_actual ?? "nothing"}`}
    >
      <ShieldAlert aria-hidden className="size-3.5" />{" "}
      {verification.sha256_actual === null ? "bytes are gone" : "sha256 differs"}
    </span>
  );
}
