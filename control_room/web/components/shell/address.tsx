import { Fragment } from "react";

/** An address that may be broken after each slash. */
export function Address({ children }: { children: string }) {
  return children.split(/(?<=\/)(?!\/)/).map((part, index) => (
    // biome-ignore lint/suspicious/noArrayIndexKey: parts of one address never move
    <Fragment key={index}>
      {part}
      <wbr />
    </Fragment>
  ));
}
