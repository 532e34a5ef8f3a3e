// @vitest-environment happy-dom
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { cleanup, render, screen, within } from "@testing-library/react";
import type { ReactElement } from "react";
import { afterEach, expect, test } from "vitest";
import { RunsTable } from "@/components/runs/runs-table";
import { describeTasks } from "@/components/runs/task-dots";
import { runKeys } from "@/services/runs";
import { someRun } from "@/test/runs";

const client = new QueryClient({ defaultOptions: { queries: { staleTime: Number.POSITIVE_INFINITY } } });
const show = (element: ReactElement) =>
  render(<QueryClientProvider client={client}>{element}</QueryClientProvider>);

afterEach(cleanup);

test("a finished run shows its number, template, state, attempt, duration and rows, and links to its page", () => {
  show(<RunsTable runs={[someRun()]} />);
  const row = within(screen.getByRole("table", { name: "Runs" }).querySelector("tbody tr") as HTMLElement);
  expect(row.getByRole("link", { name: "#42" }).getAttribute("href")).toBe("/run/?id=42");
  for (const text of ["nycflights-ingest", "v2", "succeeded", "1 of 5", "4.5 s", "336,776", "python-1"]) {
    expect(row.getByText(text)).toBeTruthy();
  }
});

test("a waiting run says why in words", () => {
  show(<RunsTable runs={[someRun({ state: "waiting", state_reason: "retry_backoff" })]} />);
  expect(screen.getByText("retry backoff")).toBeTruthy();
});

test("a running run shows its progress to eyes and ears", () => {
  show(
    <RunsTable
      runs={[
        someRun({ state: "running", finished_at: null, progress: { fraction: 0.4, message: "weather" } }),
      ]}
    />,
  );
  expect(screen.getByRole("progressbar", { name: "Progress of run 42" }).getAttribute("value")).toBe("0.4");
  expect(screen.getByText("weather")).toBeTruthy();
});

test("a pipeline's dots say which task is where", () => {
  const pipeline = someRun({ kind: "pipeline" });
  client.setQueryData(runKeys.tasks(pipeline.run_id), [
    { task_key: "ingest", number: 43, state: "succeeded" },
    { task_key: "report", number: 44, state: "waiting" },
  ]);
  show(<RunsTable runs={[pipeline]} />);
  expect(screen.getByRole("img", { name: "2 tasks: ingest succeeded, report waiting" })).toBeTruthy();
});

test("many tasks are counted instead of listed", () => {
  const tasks = Array.from({ length: 9 }, (_, number) => ({
    task_key: `t${number}`,
    number,
    state: number < 7 ? "succeeded" : "failed",
  }));
  expect(describeTasks(tasks)).toBe("9 tasks: 7 succeeded, 2 failed");
});
