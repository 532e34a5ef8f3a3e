// @vitest-environment happy-dom
import { cleanup, render, screen, within } from "@testing-library/react";
import { afterEach, expect, test } from "vitest";
import { Inputs, Outputs } from "@/components/run/ports";
import { parseExact } from "@/lib/json";
import type { Schemas } from "@/services/http";
import { toRunDetail } from "@/services/runs";
import { wireRun } from "@/test/runs";

const SNAPSHOT = "6189302345623451234";

afterEach(cleanup);

function publication(more: Partial<Schemas["Publication"]> = {}): Schemas["Publication"] {
  return {
    run_id: wireRun().run_id,
    epoch: 1,
    output: "delay",
    format: "delta",
    mode: "overwrite",
    uri: "s3://lakehouse/gold/delay",
    rows: 16,
    files: 1,
    app_id: "x/delay",
    app_version: 1,
    state: "committed",
    table_version: 3,
    location: null,
    error: null,
    recorded_at: "2026-01-01T00:00:05Z",
    committed_at: "2026-01-01T00:00:06Z",
    ...more,
  };
}

/** A run as the browser reads it: from the text that the server sends. */
function read(publications: Schemas["Publication"][], inputs: object[] = []) {
  const wire = {
    ...wireRun({ inputs: inputs as Schemas["Run"]["inputs"] }),
    attempts: [],
    children: [],
    depends_on: [],
    cap_ledger: [],
    publications,
  };
  const text = JSON.stringify(wire).replaceAll(`"${SNAPSHOT}"`, SNAPSHOT);
  return toRunDetail(parseExact(text) as Parameters<typeof toRunDetail>[0]);
}

const rows = (table: string) =>
  [...screen.getByRole("table", { name: table }).querySelectorAll("tbody tr")].map((row) => row.textContent);

test("an output tells its format, all digits of its version, and where its files lie", () => {
  const snapshot = SNAPSHOT as unknown as number;
  const iceberg = {
    format: "iceberg",
    uri: "iceberg://lakehouse/gold/delay",
    location: "s3://warehouse/gold/delay",
  };
  const object = { output: "model", format: "object", uri: "s3://lakehouse/models/delay.onnx", rows: 0 };
  render(
    <Outputs
      run={read([
        publication({ ...iceberg, table_version: snapshot }),
        publication({ ...object, table_version: 2 }),
      ])}
    />,
  );
  expect(rows("Outputs")).toEqual([
    `delaycommittediceberg${SNAPSHOT}16overwriteiceberg://lakehouse/gold/delayits filess3://warehouse/gold/delay`,
    "modelcommittedobject2–overwrites3://lakehouse/models/delay.onnx",
  ]);
  // Lineage knows an Iceberg table by where its files lie, as engines do.
  const history = screen.getByRole("link", {
    name: `Version ${SNAPSHOT} of delay: who made and who read it`,
  });
  expect(history.getAttribute("href")).toBe("/data/?namespace=s3%3A%2F%2Fwarehouse&name=gold%2Fdelay");
});

test("a Delta table has one address, and one that waits has no version yet", () => {
  const uri = "s3://lakehouse/gold/delay";
  render(<Outputs run={read([publication({ location: uri, state: "recorded", table_version: null })])} />);
  expect(rows("Outputs")).toEqual([`delaypublishingdelta–16overwrite${uri}`]);
  expect(within(screen.getByRole("table", { name: "Outputs" })).getAllByText("delta")).toHaveLength(1);
});

test("an input tells what it is and at which version it is read", () => {
  const table = {
    name: "t",
    kind: "table",
    format: "iceberg",
    uri: "s3://warehouse/gold/t",
    version: SNAPSHOT,
  };
  const object = {
    name: "o",
    kind: "object",
    format: "object",
    uri: "s3://lakehouse/o",
    version: 2,
    sha256: "c",
  };
  render(<Inputs inputs={read([], [table, object]).inputs} />);
  expect(rows("Inputs")).toEqual([
    `ticeberg table${SNAPSHOT}–s3://warehouse/gold/t`,
    "oobject2–s3://lakehouse/o",
  ]);
});
