// @vitest-environment happy-dom
import { cleanup, render } from "@testing-library/react";
import { afterEach, expect, test } from "vitest";
import { Prose } from "@/components/shell/prose";
import { formatExact } from "@/lib/format";

afterEach(cleanup);

const AT = "2026-11-24T00:00:00.000000Z";

test("a time in a sentence is told as a local one, with the server's own words at hand", () => {
  const { container } = render(
    <Prose text={`the next day begins at ${AT}; see \`control-room budgets ls\``} />,
  );
  expect(container.textContent).toBe(
    `the next day begins at ${formatExact(AT)}; see control-room budgets ls`,
  );
  expect(container.querySelector("time")?.getAttribute("datetime")).toBe(AT);
  expect(container.querySelector("code")?.textContent).toBe("control-room budgets ls");
});

test("an odd backtick is a backtick", () => {
  const { container } = render(<Prose text="a ` b" />);
  expect(container.textContent).toBe("a ` b");
});
