"use client";

import { useQuery } from "@tanstack/react-query";
import { X } from "lucide-react";
import { useEffect, useRef } from "react";
import { Result } from "@/components/run/result";
import { Notice } from "@/components/shell/notice";
import { ProblemNotice } from "@/components/shell/problem";
import { Button } from "@/components/ui/button";
import { Card, CardContent, CardHeader, CardTitle } from "@/components/ui/card";
import { Skeleton } from "@/components/ui/skeleton";
import { isEmpty } from "@/lib/json";
import { type Artifact, type Preview, previewQuery } from "@/services/artifacts";

/** What a run told of a file: columns and first rows, files of an archive, the start of a text. Shown as text alone. */
export function ArtifactPreview({ artifact, close }: { artifact: Artifact; close: () => void }) {
  const asked = useQuery(previewQuery(artifact.artifact_id));
  const shown = useRef<HTMLElement>(null);
  useEffect(() => {
    shown.current?.scrollIntoView({ block: "start" });
  }, []);
  return (
    <Card ref={shown} aria-label={artifact.name} className="scroll-my-4">
      <CardHeader>
        <CardTitle className="wrap-anywhere">{artifact.name}</CardTitle>
        <Button variant="ghost" size="icon-sm" aria-label={`Close ${artifact.name}`} onClick={close}>
          <X aria-hidden />
        </Button>
      </CardHeader>
      {asked.isPending && (
        <CardContent>
          <Skeleton className="h-4 w-2/3" />
        </CardContent>
      )}
      {asked.error && <ProblemNotice error={asked.error} />}
      {asked.data && <PreviewBody preview={asked.data} />}
    </Card>
  );
}

export function PreviewBody({ preview: { facts, text, isCut } }: { preview: Preview }) {
  if (isEmpty(facts) && text === null) {
    return <Notice title="Nothing to show">The run told nothing of its content; download it to look.</Notice>;
  }
  return (
    <div className="divide-y">
      {!isEmpty(facts) && <Result result={facts} />}
      {text !== null && (
        <div className="px-4 py-3">
          <pre className="max-h-[60vh] overflow-auto text-xs whitespace-pre-wrap wrap-anywhere">{text}</pre>
          {isCut && <p className="pt-2 text-xs text-muted-foreground">The first 64 KiB; there is more.</p>}
        </div>
      )}
    </div>
  );
}
