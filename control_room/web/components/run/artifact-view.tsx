"use client";

import { ExternalLink, X } from "lucide-react";
import { useEffect, useRef } from "react";
import { Button } from "@/components/ui/button";
import { Card, CardHeader, CardTitle } from "@/components/ui/card";
import { type Artifact, downloadUrl } from "@/services/artifacts";

/**
 * Shows an HTML report or an image in place. The frame is sandboxed and the server sends the report with a sandboxing
 * policy of its own, so that its scripts draw plots but reach neither this page nor the session.
 */
export function ArtifactView({ artifact, close }: { artifact: Artifact; close: () => void }) {
  const url = downloadUrl(artifact.artifact_id, true);
  const isImage = artifact.media_type.startsWith("image/");
  const shown = useRef<HTMLElement>(null);
  // It stands below the list, out of sight when that is long.
  useEffect(() => {
    shown.current?.scrollIntoView({ block: "start" });
  }, []);
  return (
    <Card ref={shown} aria-label={artifact.name} className="scroll-my-4">
      <CardHeader>
        <CardTitle className="wrap-anywhere">{artifact.name}</CardTitle>
        <span className="flex gap-1.5">
          <Button asChild variant="outline" size="sm">
            <a href={url} target="_blank" rel="noreferrer">
              <ExternalLink aria-hidden /> Open in a tab
            </a>
          </Button>
          <Button variant="ghost" size="icon-sm" aria-label={`Close ${artifact.name}`} onClick={close}>
            <X aria-hidden />
          </Button>
        </span>
      </CardHeader>
      {isImage ? (
        // biome-ignore lint/performance/noImgElement: a static export has no image server, and the file is shown as it is
        <img src={url} alt={artifact.name} className="mx-auto max-w-full rounded-b-lg bg-white" />
      ) : (
        <iframe
          src={url}
          title={artifact.name}
          sandbox="allow-scripts"
          className="h-[80vh] w-full rounded-b-lg bg-white"
        />
      )}
    </Card>
  );
}
