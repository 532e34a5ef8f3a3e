// @vitest-environment happy-dom
import { cleanup, render, screen, within } from "@testing-library/react";
import { afterEach, expect, test } from "vitest";
import { PreviewBody } from "@/components/run/artifact-preview";
import { toPreview } from "@/services/artifacts";
import type { Schemas } from "@/services/http";

afterEach(cleanup);

const artifact = { name: "x" } as Schemas["Artifact"];

function show(preview: Schemas["Preview"]["preview"], text: string | null = null, text_cut = false) {
  render(<PreviewBody preview={toPreview({ artifact, preview, text, text_cut })} />);
}

test("a table shows its columns, its first rows, and how many there are", () => {
  const columns = [
    { name: "carrier", type: "string" },
    { name: "delay", type: "int64" },
  ];
  const page = [
    ["UA", 7],
    ["AA", null],
  ];
  show({ type: "table", format: "parquet", columns, column_count: 2, rows: 336776, page, cut: true });
  const rows = within(screen.getByRole("table", { name: "Rows" })).getAllByRole("row");
  expect(rows.map((row) => row.textContent)).toEqual(["carrierdelay", "UA7", "AA–"]);
  expect(screen.getByText("336,776")).toBeTruthy();
});

test("an archive shows its files, metrics their numbers", () => {
  show({ type: "archive", files: [{ name: "weights.bin", size: 1000 }], count: 1, bytes: 1000, cut: false });
  expect(screen.getByText("weights.bin")).toBeTruthy();
  cleanup();
  show({ type: "metrics", values: { loss: 0.25 }, cut: false });
  expect(screen.getByText("0.25")).toBeTruthy();
});

test("a text is text, whatever it holds", () => {
  show({ type: "text", lines: 2 }, "<script>alert(1)</script>\nb", true);
  expect(screen.getByText(/<script>alert\(1\)<\/script>/)).toBeTruthy();
  expect(document.querySelector("script")).toBeNull();
  expect(screen.getByText(/there is more/)).toBeTruthy();
});

test("of a file that nothing was told of, that is said", () => {
  show(null);
  expect(screen.getByText("Nothing to show")).toBeTruthy();
});
