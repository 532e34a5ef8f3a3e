import Link from "next/link";
import { Section } from "@/components/run/section";
import { RunLink } from "@/components/runs/run-link";
import { Address } from "@/components/shell/address";
import { Notice } from "@/components/shell/notice";
import { Table, TableBody, TableCell, TableHead, TableHeader, TableRow } from "@/components/ui/table";
import {
  dataHref,
  dataKey,
  dataText,
  type FileNames,
  fileName,
  type LineageData,
  type LineageRun,
  versionText,
} from "@/lib/lineage";

const MOST = 10;

type Props = { title: string; other: string; self: string; data: LineageData[]; names: FileNames };

/** The picture in words, and all of it. */
export function LineageTable({ title, other, self, data, names }: Props) {
  return (
    <Section title={title}>
      {data.length === 0 ? (
        <Notice title={other === "Made by" ? "It read nothing" : "It made nothing"} className="py-8" />
      ) : (
        <Table label={title}>
          <TableHeader>
            <TableRow>
              <TableHead>Data</TableHead>
              <TableHead className="text-right">Version</TableHead>
              <TableHead>{other}</TableHead>
            </TableRow>
          </TableHeader>
          <TableBody>
            {data.map((one) => (
              <TableRow key={dataKey(one)}>
                <TableCell className="min-w-48 wrap-anywhere">
                  <Link href={dataHref(one)} prefetch={false} className="text-link font-medium">
                    <Name data={one} names={names} />
                  </Link>
                </TableCell>
                <TableCell className="figures text-right">
                  {one.version ? <Version text={one.version} /> : "–"}
                </TableCell>
                <TableCell>
                  <RunList runs={one.runs.filter((run) => run.run_id !== self)} />
                </TableCell>
              </TableRow>
            ))}
          </TableBody>
        </Table>
      )}
    </Section>
  );
}

function Name({ data, names }: { data: LineageData; names: FileNames }) {
  const name = fileName(data, names);
  if (name === null) return <Address>{dataText(data)}</Address>;
  return (
    <>
      {name} <span className="font-normal text-muted-foreground">({dataText(data)})</span>
    </>
  );
}

export function Version({ text }: { text: string }) {
  const shown = versionText(text);
  return shown === text ? text : <code title={text}>{shown}</code>;
}

/** The newest runs by number and template, and how many more there are. */
export function RunList({ runs }: { runs: LineageRun[] }) {
  if (runs.length === 0) return <span className="text-muted-foreground">nobody on record</span>;
  return (
    <ul className="flex flex-wrap gap-x-3 gap-y-1">
      {runs.slice(0, MOST).map((run) => (
        <li key={run.run_id}>
          <RunLink number={run.number}>{`#${run.number} ${run.template_name}`}</RunLink>
        </li>
      ))}
      {runs.length > MOST && <li className="text-muted-foreground">and {runs.length - MOST} more</li>}
    </ul>
  );
}
