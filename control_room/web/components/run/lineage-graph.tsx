import Link from "next/link";
import { Section } from "@/components/run/section";
import { runHref } from "@/components/runs/run-link";
import { StateIcon } from "@/components/runs/state-badge";
import { CardContent } from "@/components/ui/card";
import { Scrollable } from "@/components/ui/scrollable";
import { type Box, layoutLayers } from "@/lib/dag";
import {
  dataHref,
  dataText,
  type FileNames,
  fileName,
  isFile,
  type LineageData,
  type LineageNode,
  type LineagePicture,
  lineagePicture,
  versionText,
} from "@/lib/lineage";
import { pipelinePicture } from "@/lib/pipeline-lineage";
import type { RunLineage } from "@/services/lineage";
import type { RunDetail } from "@/services/runs";

const BOX: Box = { width: 200, height: 48, gapX: 40, gapY: 12 };
const MARGIN = 4;

type Props = { run: RunDetail; lineage: RunLineage; names: FileNames };

/** Who made what the run read, and who read what it made, from left to right. The tables below say the same in words. */
export function LineageGraph({ run, lineage, names }: Props) {
  const { layers, left_out } = run.kind === "pipeline" ? ofPipeline(run, lineage) : lineagePicture(lineage);
  if (layers.length === 0) return null;
  const { width, height, placed, edges } = layoutLayers(layers, BOX);
  const [w, h] = [width + 2 * MARGIN, height + 2 * MARGIN];
  return (
    <div className="max-sm:hidden">
      <Section title="Lineage">
        <Scrollable label="Lineage graph" className="px-4 py-4">
          <svg
            width={w}
            height={h}
            viewBox={`${-MARGIN} ${-MARGIN} ${w} ${h}`}
            aria-label="Runs and data before and after this run"
            className="max-w-none shrink-0"
          >
            {edges.map((edge) => (
              <path
                key={`${edge.from} ${edge.to}`}
                d={edge.path}
                data-edge={`${edge.from} ${edge.to}`}
                fill="none"
                strokeWidth="1.5"
                className="stroke-input"
              />
            ))}
            {placed.map(({ node, x, y }) => (
              <foreignObject
                key={node.key}
                x={x}
                y={y}
                width={BOX.width}
                height={BOX.height}
                className="overflow-visible"
              >
                <Node node={node} run={run} names={names} />
              </foreignObject>
            ))}
          </svg>
        </Scrollable>
        {left_out > 0 && (
          <CardContent className="border-t text-xs text-muted-foreground">
            {left_out} more are left out of the picture; the tables have them.
          </CardContent>
        )}
      </Section>
    </div>
  );
}

function ofPipeline(run: RunDetail, lineage: RunLineage): LineagePicture {
  const tasks = run.children.map(({ run_id, number, task_key, template_name }) => ({
    run_id,
    number,
    template_name: task_key ?? template_name,
  }));
  return pipelinePicture(lineage, tasks, lineage.events);
}

const NODE = "flex h-12 w-full flex-col justify-center rounded-md border px-3 text-sm";
const LINKED = `${NODE} bg-background hover:border-ring`;

type NodeProps = { node: LineageNode; run: RunDetail; names: FileNames };

function Node({ node, run, names }: NodeProps) {
  if (node.what === "self") {
    return (
      <div className={`${NODE} border-ring bg-accent`}>
        <span className="flex items-center gap-1.5 font-medium">
          <StateIcon state={run.state} />
          <span className="figures">#{run.number}</span>
          <span className="truncate">this run</span>
        </span>
        <span className="truncate text-xs text-muted-foreground">{run.task_key ?? run.template_name}</span>
      </div>
    );
  }
  if (node.what === "run") {
    return (
      <Link href={runHref(node.run.number, "lineage")} prefetch={false} className={LINKED}>
        <span className="figures font-medium">#{node.run.number}</span>
        <span className="truncate text-xs text-muted-foreground">{node.run.template_name}</span>
      </Link>
    );
  }
  return (
    <Link
      href={dataHref(node.data)}
      prefetch={false}
      title={dataText(node.data)}
      className={`${LINKED} border-dashed`}
    >
      <span className="truncate font-medium">{shortName(node.data, names)}</span>
      <span className="figures truncate text-xs text-muted-foreground">{versionLine(node.data)}</span>
    </Link>
  );
}

/** The end of an address, which tells tables apart; all of it stands in the title. */
function shortName(data: LineageData, names: FileNames): string {
  return fileName(data, names) ?? data.name.split("/").slice(-2).join("/");
}

function versionLine(data: LineageData): string {
  if (data.version) return `version ${versionText(data.version)}`;
  return isFile(data) ? dataText(data) : "version not on record";
}
