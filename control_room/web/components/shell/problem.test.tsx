// @vitest-environment happy-dom
import { cleanup, render, screen } from "@testing-library/react";
import { afterEach, expect, test, vi } from "vitest";
import { ProblemNotice } from "@/components/shell/problem";
import { ProblemError, unreachable } from "@/services/http";

afterEach(cleanup);

test("a problem says what was wrong, where, and what to do", () => {
  const issues = [{ path: "/params/min_flights", message: "must be at least 1" }];
  const hint = "See `control-room templates show nycflights`.";
  render(
    <ProblemNotice
      error={new ProblemError(422, "params_invalid", "Invalid parameters", "1 is wrong", issues, hint)}
    />,
  );
  const text = screen.getByRole("alert").textContent;
  for (const part of [
    "Invalid parameters",
    "1 is wrong",
    "/params/min_flights",
    "must be at least 1",
    "params_invalid",
  ]) {
    expect(text).toContain(part);
  }
  expect(screen.getByText("control-room templates show nycflights").tagName).toBe("CODE");
});

test("a server out of reach comes with the command that starts it, and a way to try again", () => {
  const retry = vi.fn();
  render(<ProblemNotice error={unreachable()} retry={retry} />);
  expect(screen.getByText("control-room up")).toBeTruthy();
  screen.getByRole("button", { name: "Try again" }).click();
  expect(retry).toHaveBeenCalledOnce();
});

test("a trace is never shown, whatever the error", () => {
  render(<ProblemNotice error={new Error("it broke")} />);
  expect(screen.getByRole("alert").textContent).toBe("This page met an errorit broke");
});
