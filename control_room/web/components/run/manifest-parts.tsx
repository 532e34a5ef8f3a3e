import { RunRef } from "@/components/run/run-ref";
import { Section } from "@/components/run/section";
import { RunLink } from "@/components/runs/run-link";
import { StateBadge } from "@/components/runs/state-badge";
import { Digest } from "@/components/shell/digest";
import { Notice } from "@/components/shell/notice";
import { CardContent } from "@/components/ui/card";
import { Table, TableBody, TableCell, TableHead, TableHeader, TableRow } from "@/components/ui/table";
import { formatBytes, formatCount } from "@/lib/format";
import type { Manifest, ManifestPublication, ManifestTask } from "@/services/provenance";
import type { RunDetail, RunInput } from "@/services/runs";

/** What the manifest says that the run read and made, or of a pipeline which tasks it had. */
export function ManifestParts({ run, manifest }: { run: RunDetail; manifest: Manifest }) {
  if (manifest.tasks.length > 0) return <Tasks tasks={manifest.tasks} run={run} />;
  const nothing = manifest.artifacts.length === 0 && manifest.publications.length === 0;
  return (
    <>
      {manifest.inputs.length > 0 && <Inputs inputs={manifest.inputs} />}
      <Section title="Outputs on record">
        {manifest.reused_from !== null && (
          <CardContent className="border-b">
            This run did no work: run <RunLink number={manifest.reused_from} /> had done it, with the same
            inputs. What it left stands here.
          </CardContent>
        )}
        {nothing ? (
          <Notice title="It left nothing" className="py-8">
            Artifacts and tables that a run leaves stand here with their digests.
          </Notice>
        ) : (
          <Outputs manifest={manifest} />
        )}
      </Section>
    </>
  );
}

function Inputs({ inputs }: { inputs: RunInput[] }) {
  return (
    <Section title="Inputs on record">
      <Table label="Inputs on record">
        <TableHeader>
          <TableRow>
            <TableHead>Input</TableHead>
            <TableHead>Kind</TableHead>
            <TableHead className="text-right">Version</TableHead>
            <TableHead>sha256</TableHead>
            <TableHead>From</TableHead>
            <TableHead className="max-sm:hidden">Where</TableHead>
          </TableRow>
        </TableHeader>
        <TableBody>
          {inputs.map((input) => (
            <TableRow key={input.name}>
              <TableCell className="font-medium wrap-anywhere">{input.name}</TableCell>
              <TableCell className="text-muted-foreground">{input.format ?? input.kind}</TableCell>
              <TableCell className="figures text-right">{input.version ?? "–"}</TableCell>
              <TableCell>
                <Digest value={input.sha256} of={`sha256 of ${input.name}`} />
              </TableCell>
              <TableCell>{input.from_run_id ? <RunRef run_id={input.from_run_id} /> : "–"}</TableCell>
              <TableCell className="min-w-56 max-sm:hidden">
                <code className="text-xs wrap-anywhere">{input.uri ?? "–"}</code>
              </TableCell>
            </TableRow>
          ))}
        </TableBody>
      </Table>
    </Section>
  );
}

function Outputs({ manifest }: { manifest: Manifest }) {
  return (
    <Table label="Outputs on record">
      <TableHeader>
        <TableRow>
          <TableHead>Output</TableHead>
          <TableHead>Kind</TableHead>
          <TableHead className="text-right">Version</TableHead>
          <TableHead className="text-right">Size</TableHead>
          <TableHead>sha256</TableHead>
        </TableRow>
      </TableHeader>
      <TableBody>
        {manifest.publications.map((publication) => (
          <TableRow key={`publication ${publication.output}`}>
            <TableCell className="min-w-40 wrap-anywhere">
              <span className="font-medium">{publication.output}</span>
              <span className="block text-xs text-muted-foreground">{publication.uri}</span>
            </TableCell>
            <TableCell className="text-muted-foreground">{publication.format}</TableCell>
            <TableCell className="figures text-right">{publication.version ?? publication.state}</TableCell>
            <TableCell className="figures text-right whitespace-nowrap">{filesText(publication)}</TableCell>
            <TableCell>
              <FilesDigest publication={publication} />
            </TableCell>
          </TableRow>
        ))}
        {manifest.artifacts.map((artifact) => (
          <TableRow key={`artifact ${artifact.name}`}>
            <TableCell className="min-w-40 font-medium wrap-anywhere">{artifact.name}</TableCell>
            <TableCell className="text-muted-foreground">{artifact.kind}</TableCell>
            <TableCell className="text-right">–</TableCell>
            <TableCell className="figures text-right whitespace-nowrap">
              {formatBytes(artifact.size)}
            </TableCell>
            <TableCell>
              <Digest value={artifact.sha256} of={`sha256 of ${artifact.name}`} />
            </TableCell>
          </TableRow>
        ))}
      </TableBody>
    </Table>
  );
}

function filesText({ files }: ManifestPublication): string {
  return files.length === 1 ? "1 file" : `${formatCount(files.length)} files`;
}

/** A table has a digest for each of its files: in the manifest all of them, here that of a single one. */
function FilesDigest({ publication }: { publication: ManifestPublication }) {
  const [only, ...more] = publication.files;
  if (only && more.length === 0) {
    return <Digest value={only.sha256} of={`sha256 of ${publication.output}`} />;
  }
  return <span className="text-muted-foreground">{only ? "of each, in the manifest" : "–"}</span>;
}

function Tasks({ tasks, run }: { tasks: ManifestTask[]; run: RunDetail }) {
  const numbers = new Map(run.children.map((child) => [child.run_id, child.number]));
  return (
    <Section title="Tasks on record">
      <Table label="Tasks on record">
        <TableHeader>
          <TableRow>
            <TableHead>Task</TableHead>
            <TableHead>State</TableHead>
            <TableHead>Merkle root of its manifest</TableHead>
          </TableRow>
        </TableHeader>
        <TableBody>
          {tasks.map((task) => (
            <TableRow key={task.run_id}>
              <TableCell className="font-medium">
                <TaskLink task={task} number={numbers.get(task.run_id)} />
              </TableCell>
              <TableCell>
                <StateBadge state={task.state} />
              </TableCell>
              <TableCell>
                <Digest value={task.root} of={`root of ${task.task_key}`} />
              </TableCell>
            </TableRow>
          ))}
        </TableBody>
      </Table>
    </Section>
  );
}

function TaskLink({ task, number }: { task: ManifestTask; number: number | undefined }) {
  return number === undefined ? (
    <RunRef run_id={task.run_id} />
  ) : (
    <RunLink number={number}>{task.task_key}</RunLink>
  );
}
