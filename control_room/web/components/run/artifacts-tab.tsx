"use client";

import { useQueries } from "@tanstack/react-query";
import { Download, Eye, EyeOff } from "lucide-react";
import { ArtifactPreview } from "@/components/run/artifact-preview";
import { ArtifactVerify } from "@/components/run/artifact-verify";
import { ArtifactView } from "@/components/run/artifact-view";
import { RunLink } from "@/components/runs/run-link";
import { Digest } from "@/components/shell/digest";
import { Notice } from "@/components/shell/notice";
import { ProblemNotice } from "@/components/shell/problem";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Card, CardContent } from "@/components/ui/card";
import { Skeleton } from "@/components/ui/skeleton";
import { Table, TableBody, TableCell, TableHead, TableHeader, TableRow } from "@/components/ui/table";
import { useUrl } from "@/hooks/use-url";
import { formatBytes } from "@/lib/format";
import {
  type Artifact,
  artifactsQuery,
  downloadUrl,
  isDownloadable,
  isPreviewable,
  isViewable,
} from "@/services/artifacts";
import type { Run, RunDetail } from "@/services/runs";

type Row = { artifact: Artifact; run: Run };

/** A run's artifacts; a pipeline shows those of its tasks. */
export function ArtifactsTab({ run }: { run: RunDetail }) {
  const { params, change } = useUrl();
  const runs: Run[] = run.kind === "pipeline" ? run.children : [run];
  const asked = useQueries({ queries: runs.map((owner) => artifactsQuery(owner.run_id)) });
  const error = asked.find((query) => query.error)?.error;
  const rows = asked.flatMap((query, index) =>
    (query.data ?? []).map((artifact) => ({ artifact, run: runs[index] ?? run })),
  );
  const viewed = rows.find((row) => row.artifact.artifact_id === params.get("view"))?.artifact;
  if (error && rows.length === 0) return <ProblemNotice error={error} />;
  return (
    <div className="space-y-4">
      <Card aria-label="Artifacts">
        {asked.some((query) => query.isPending) && rows.length === 0 && <Loading />}
        {asked.every((query) => query.isSuccess) && rows.length === 0 && <Nothing />}
        {rows.length > 0 && (
          <ArtifactTable
            rows={rows}
            showTask={run.kind === "pipeline"}
            viewed={viewed?.artifact_id ?? null}
            view={(artifact_id) => change({ view: artifact_id })}
          />
        )}
      </Card>
      {viewed && isViewable(viewed) && (
        <ArtifactView key={viewed.artifact_id} artifact={viewed} close={() => change({ view: null })} />
      )}
      {viewed && isPreviewable(viewed) && (
        <ArtifactPreview key={viewed.artifact_id} artifact={viewed} close={() => change({ view: null })} />
      )}
    </div>
  );
}

function Loading() {
  return (
    <CardContent className="space-y-2">
      <Skeleton className="h-4 w-full" />
      <Skeleton className="h-4 w-2/3" />
    </CardContent>
  );
}

function Nothing() {
  return <Notice title="No artifacts">Files, tables and reports a run leaves behind show here.</Notice>;
}

type TableProps = {
  rows: Row[];
  showTask: boolean;
  viewed: string | null;
  view: (artifact_id: string | null) => void;
};

function ArtifactTable({ rows, showTask, viewed, view }: TableProps) {
  return (
    <Table label="Artifacts">
      <TableHeader>
        <TableRow>
          <TableHead>Name</TableHead>
          {showTask && <TableHead>Task</TableHead>}
          <TableHead className="max-sm:hidden">Kind</TableHead>
          <TableHead className="text-right">Size</TableHead>
          <TableHead className="max-md:hidden">sha256</TableHead>
          <TableHead>
            <span className="sr-only">Actions</span>
          </TableHead>
        </TableRow>
      </TableHeader>
      <TableBody>
        {rows.map(({ artifact, run }) => (
          <TableRow key={artifact.artifact_id} data-artifact={artifact.name}>
            <TableCell className="max-w-96 min-w-48">
              <Name artifact={artifact} />
            </TableCell>
            {showTask && (
              <TableCell>
                <RunLink number={run.number}>{run.task_key ?? `#${run.number}`}</RunLink>
              </TableCell>
            )}
            <TableCell className="text-muted-foreground max-sm:hidden">{artifact.kind}</TableCell>
            <TableCell className="figures text-right whitespace-nowrap">
              {formatBytes(artifact.size)}
            </TableCell>
            <TableCell className="max-md:hidden">
              <Digest value={artifact.sha256} of={`sha256 of ${artifact.name}`} />
            </TableCell>
            <TableCell>
              <Actions artifact={artifact} open={viewed === artifact.artifact_id} view={view} />
            </TableCell>
          </TableRow>
        ))}
      </TableBody>
    </Table>
  );
}

function Name({ artifact }: { artifact: Artifact }) {
  const note = artifact.table
    ? `${artifact.table.uri} version ${artifact.table.version ?? "–"}`
    : artifact.media_type;
  return (
    <span className="flex flex-col">
      <span className="flex flex-wrap items-center gap-2 font-medium wrap-anywhere">
        {artifact.name}
        {artifact.state !== "visible" && <Badge variant="outline">{artifact.state}</Badge>}
      </span>
      <span className="text-xs wrap-anywhere text-muted-foreground">{note}</span>
    </span>
  );
}

type ActionsProps = { artifact: Artifact; open: boolean; view: (artifact_id: string | null) => void };

function Actions({ artifact, open, view }: ActionsProps) {
  if (!isDownloadable(artifact)) return null;
  const Icon = open ? EyeOff : Eye;
  return (
    <span className="flex items-center justify-end gap-1.5 max-sm:gap-1">
      {(isViewable(artifact) || isPreviewable(artifact)) && (
        <Button
          variant="outline"
          size="sm"
          aria-expanded={open}
          aria-label={`${open ? "Hide" : "View"} ${artifact.name}`}
          onClick={() => view(open ? null : artifact.artifact_id)}
        >
          <Icon aria-hidden /> <span className="max-sm:sr-only">{open ? "Hide" : "View"}</span>
        </Button>
      )}
      <ArtifactVerify artifact={artifact} />
      <Button asChild variant="outline" size="sm">
        <a
          href={downloadUrl(artifact.artifact_id)}
          download={artifact.name}
          aria-label={`Download ${artifact.name}`}
        >
          <Download aria-hidden /> <span className="max-sm:sr-only">Download</span>
        </a>
      </Button>
    </span>
  );
}
