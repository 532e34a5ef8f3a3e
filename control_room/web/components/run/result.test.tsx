// @vitest-environment happy-dom
import { cleanup, render, screen, within } from "@testing-library/react";
import { afterEach, expect, test } from "vitest";
import { Result } from "@/components/run/result";

afterEach(cleanup);

const node = (name: string, type: string, status: string) => ({
  name,
  type,
  status,
  rows: 3,
  seconds: 0.5,
  message: null,
});

test("dbt's nodes are a table, with what failed first", () => {
  render(
    <Result
      result={{
        nodes: [node("a", "test", "pass"), node("b", "model", "success"), node("c", "test", "fail")],
      }}
    />,
  );
  const table = within(screen.getByRole("table", { name: "Models and tests" }));
  const names = table
    .getAllByRole("row")
    .slice(1)
    .map((row) => row.querySelector("td")?.textContent);
  expect(names).toEqual(["c", "b", "a"]);
  expect(screen.getByText("Models and tests (1 pass, 1 success, 1 fail)")).toBeTruthy();
});

test("the rows that a failed test found stand below the nodes, and what an earlier attempt did says so", () => {
  const failing_rows = {
    columns: ["meter", "kwh"],
    rows: [[null, 7]],
    artifact: "failing_rows/not_null.json",
  };
  const nodes = [
    { ...node("not_null", "test", "fail"), failing_rows },
    { ...node("hourly", "model", "success"), kept: true },
  ];
  render(<Result result={{ nodes }} />);
  const table = within(screen.getByRole("table", { name: "Rows that not_null found" }));
  expect(table.getAllByRole("columnheader").map((cell) => cell.textContent)).toEqual(["meter", "kwh"]);
  expect(table.getByText("7")).toBeTruthy();
  expect(screen.getByText("failing_rows/not_null.json")).toBeTruthy();
  expect(screen.getByText("earlier")).toBeTruthy();
});

test("counts by name are a list, with zero shown as zero", () => {
  render(<Result result={{ rows: { flights: 336776, errors: 0 } }} />);
  expect(screen.getByText("336,776")).toBeTruthy();
  expect(screen.getByText("0")).toBeTruthy();
});

test("records are a table with every column that occurs", () => {
  render(<Result result={{ columns: [{ name: "id" }, { name: "kwh", nulls: 2 }] }} />);
  const table = within(screen.getByRole("table", { name: "columns" }));
  expect(table.getAllByRole("columnheader").map((cell) => cell.textContent)).toEqual(["name", "nulls"]);
});

test("a table that a statement wrote is told by its name and version, and an empty list is left out", () => {
  const table = { name: "cat.sch.t", format: "iceberg", uri: "s3://w/t", version: "2285274768888503277" };
  render(
    <Result
      result={{
        published: {},
        statements: [
          { type: "CREATE", table },
          { type: "USE", table: null },
        ],
      }}
    />,
  );
  const cells = within(screen.getByRole("table", { name: "statements" }));
  expect(cells.getByText("cat.sch.t")).toBeTruthy();
  expect(cells.getByText("iceberg, version 2285274768888503277")).toBeTruthy();
  expect(cells.getByText("–")).toBeTruthy();
  expect(screen.queryByText("published")).toBeNull();
});

test("the rows of a query are a table by its columns, two of one name among them", () => {
  const columns = [
    { name: "day", type: "date" },
    { name: "n", type: "bigint" },
    { name: "n", type: "bigint" },
  ];
  render(<Result result={{ columns, rows: [["2026-10-26", 25, null]], row_count: 1, truncated: false }} />);
  const table = within(screen.getByRole("table", { name: "Rows" }));
  expect(table.getAllByRole("columnheader").map((cell) => cell.textContent)).toEqual(["day", "n", "n"]);
  expect(table.getAllByRole("cell").map((cell) => cell.textContent)).toEqual(["2026-10-26", "25", "–"]);
  expect(screen.queryByRole("table", { name: "columns" })).toBeNull();
});
