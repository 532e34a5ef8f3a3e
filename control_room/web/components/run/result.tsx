import { JsonView } from "@/components/shell/json-view";
import { KeyValues } from "@/components/shell/key-values";
import { Badge, type BadgeVariant } from "@/components/ui/badge";
import { Disclosure } from "@/components/ui/collapsible";
import { Table, TableBody, TableCell, TableHead, TableHeader, TableRow } from "@/components/ui/table";
import { formatCount, formatDuration, formatValue, formatWord } from "@/lib/format";
import { asText, isEmpty, isObject, type JsonObject } from "@/lib/json";
import { type ResultNode, resultNodes } from "@/services/runs";

const MOST_ROWS = 500;

/** A result as people read it: figures as lists, records as tables, dbt's nodes as theirs; the JSON is below. */
export function Result({ result }: { result: JsonObject }) {
  const nodes = resultNodes(result);
  const rows = queryRows(result);
  const shown = [...(nodes.length > 0 ? ["nodes"] : []), ...(rows ? ["columns", "rows"] : [])];
  const rest = Object.entries(result).filter(([key]) => !shown.includes(key));
  const lists = listsOf(rest.filter(([, value]) => !(isObject(value) && isEmpty(value))));
  const tables = rest.filter(([, value]) => isStructured(value) && !isFlat(value));
  return (
    <div className="divide-y">
      {lists.length > 0 && (
        <div className="flex flex-wrap gap-x-12 gap-y-4 px-4 py-3">
          {lists.map(([name, values]) => (
            <List key={name} name={name} values={values} />
          ))}
        </div>
      )}
      {rows && <QueryTable rows={rows} />}
      {tables.map(([key, value]) => (
        <Structured key={key} name={key} value={value} />
      ))}
      {nodes.length > 0 && <NodeTable nodes={nodes} />}
      <Disclosure summary="As JSON" className="px-4 py-2.5">
        <JsonView value={result} label="result" className="mt-2" />
      </Disclosure>
    </div>
  );
}

type QueryRows = { names: string[]; types: string[]; rows: unknown[][] };

/** The first rows of a query, as the SQL executors tell them: columns with name and type, and a list for each row. */
export function queryRows({ columns, rows }: JsonObject): QueryRows | null {
  if (!isRecords(columns) || !Array.isArray(rows) || !rows.every(Array.isArray)) return null;
  if (!columns.every((column) => typeof column.name === "string")) return null;
  return {
    names: columns.map((column) => String(column.name)),
    types: columns.map((column) => asText(column.type) ?? ""),
    rows,
  };
}

function QueryTable({ rows: { names, types, rows } }: { rows: QueryRows }) {
  const more = rows.length > MOST_ROWS ? `, the first ${MOST_ROWS} of ${formatCount(rows.length)}` : "";
  return (
    <div className="py-2">
      <h3 className="px-4 pb-1 text-xs font-medium text-muted-foreground">{`Rows${more}`}</h3>
      <Table label="Rows">
        <TableHeader>
          <TableRow>
            {names.map((name, index) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: a query may give two columns one name
              <TableHead key={index} title={types[index]}>
                {name}
              </TableHead>
            ))}
          </TableRow>
        </TableHeader>
        <TableBody>
          {rows.slice(0, MOST_ROWS).map((row, index) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: rows have no identity of their own and never move
            <TableRow key={index}>
              {names.map((_, column) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: as their heads
                <TableCell key={column} className="figures max-w-80 break-words">
                  {asText(row[column]) ?? formatValue(row[column])}
                </TableCell>
              ))}
            </TableRow>
          ))}
        </TableBody>
      </Table>
    </div>
  );
}

function isStructured(value: unknown): boolean {
  return typeof value === "object" && value !== null;
}

function isFlat(value: unknown): value is JsonObject {
  return isObject(value) && Object.values(value).every((item) => !isStructured(item));
}

/** What has no name of its own comes first, under none; then each object of plain values under its name. */
function listsOf(entries: [string, unknown][]): [string, JsonObject][] {
  const plain = entries.filter(([, value]) => !isStructured(value));
  const named = entries.filter((entry): entry is [string, JsonObject] => isFlat(entry[1]));
  return plain.length > 0 ? [["", Object.fromEntries(plain)], ...named] : named;
}

function List({ name, values }: { name: string; values: JsonObject }) {
  return (
    <div className="min-w-0">
      {name && <h3 className="mb-1.5 text-xs font-medium text-muted-foreground">{formatWord(name)}</h3>}
      <KeyValues
        items={Object.entries(values).map(([key, value]) => ({ key, value: formatValue(value) }))}
        className="figures"
      />
    </div>
  );
}

function Structured({ name, value }: { name: string; value: unknown }) {
  if (isRecords(value)) return <Records title={formatWord(name)} rows={value} />;
  return (
    <div className="px-4 py-3">
      <h3 className="mb-1.5 text-xs font-medium text-muted-foreground">{formatWord(name)}</h3>
      <JsonView value={value} label={name} />
    </div>
  );
}

export function isRecords(value: unknown): value is JsonObject[] {
  return Array.isArray(value) && value.length > 0 && value.every(isObject);
}

function Records({ title, rows }: { title: string; rows: JsonObject[] }) {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  return (
    <div className="py-2">
      <h3 className="px-4 pb-1 text-xs font-medium text-muted-foreground">{title}</h3>
      <Table label={title}>
        <TableHeader>
          <TableRow>
            {columns.map((column) => (
              <TableHead key={column}>{formatWord(column)}</TableHead>
            ))}
          </TableRow>
        </TableHeader>
        <TableBody>
          {rows.slice(0, MOST_ROWS).map((row, index) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: records have no identity of their own and never move
            <TableRow key={index}>
              {columns.map((column) => (
                <TableCell key={column} className="figures max-w-80 break-words">
                  <Cell value={row[column]} />
                </TableCell>
              ))}
            </TableRow>
          ))}
        </TableBody>
      </Table>
      {rows.length > MOST_ROWS && (
        <p className="px-4 pt-2 text-xs text-muted-foreground">
          The first {MOST_ROWS} of {rows.length}.
        </p>
      )}
    </div>
  );
}

/** A value of a record; of a table that a statement wrote its name, and which version. */
function Cell({ value }: { value: unknown }) {
  const name = isObject(value) ? asText(value.name) : null;
  if (!isObject(value) || name === null || !("uri" in value)) return formatValue(value);
  const version = isEmpty(value.version) ? "" : `, version ${value.version}`;
  return (
    <span className="flex flex-col">
      <span className="font-mono text-xs wrap-anywhere">{name}</span>
      <span className="text-xs text-muted-foreground">{`${asText(value.format) ?? "table"}${version}`}</span>
    </span>
  );
}

const STATUSES: Record<string, BadgeVariant> = {
  success: "succeeded",
  pass: "succeeded",
  fail: "failed",
  error: "failed",
  "runtime error": "failed",
  warn: "waiting",
  skipped: "skipped",
};

/** Each model and test of a dbt run, what went wrong first. */
function NodeTable({ nodes }: { nodes: ResultNode[] }) {
  const sorted = [...nodes].sort((a, b) => rank(a) - rank(b));
  return (
    <div className="py-2">
      <h3 className="px-4 pb-1 text-xs font-medium text-muted-foreground">
        Models and tests ({summarise(nodes)})
      </h3>
      <Table label="Models and tests">
        <TableHeader>
          <TableRow>
            <TableHead>Name</TableHead>
            <TableHead>Type</TableHead>
            <TableHead>Status</TableHead>
            <TableHead className="text-right">Rows</TableHead>
            <TableHead className="text-right">Time</TableHead>
            <TableHead className="max-md:hidden">Message</TableHead>
          </TableRow>
        </TableHeader>
        <TableBody>
          {sorted.map((node) => (
            <TableRow key={`${node.type} ${node.name}`}>
              <TableCell className="font-mono text-xs break-all">{node.name}</TableCell>
              <TableCell className="text-muted-foreground">{node.type}</TableCell>
              <TableCell>
                <Badge variant={STATUSES[node.status] ?? "neutral"}>{node.status}</Badge>
                {node.kept && <span className="ml-1.5 text-xs text-muted-foreground">earlier</span>}
              </TableCell>
              <TableCell className="figures text-right">{formatCount(node.rows)}</TableCell>
              <TableCell className="figures text-right whitespace-nowrap">
                {formatDuration(node.seconds === null ? null : node.seconds * 1000)}
              </TableCell>
              <TableCell className="max-w-96 text-muted-foreground break-words max-md:hidden">
                {node.message ?? "–"}
              </TableCell>
            </TableRow>
          ))}
        </TableBody>
      </Table>
      {sorted
        .filter((node) => node.failingRows.length > 0)
        .map((node) => (
          <div key={node.name}>
            <Records title={`Rows that ${node.name} found`} rows={node.failingRows} />
            {node.failingRowsFile && (
              <p className="px-4 text-xs text-muted-foreground">
                All that were kept are in <code className="break-all">{node.failingRowsFile}</code>, under
                Artifacts.
              </p>
            )}
          </div>
        ))}
    </div>
  );
}

function rank(node: ResultNode): number {
  const variant = STATUSES[node.status];
  if (variant === "failed") return 0;
  if (variant === "waiting" || variant === "skipped") return 1;
  return node.type === "test" ? 3 : 2;
}

export function summarise(nodes: ResultNode[]): string {
  const counts = new Map<string, number>();
  for (const node of nodes) counts.set(node.status, (counts.get(node.status) ?? 0) + 1);
  return [...counts].map(([status, count]) => `${count} ${status}`).join(", ");
}
