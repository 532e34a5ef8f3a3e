import { Command } from "@/components/shell/notice";

export function SignInHelp() {
  return (
    <>
      <p>
        On the machine that runs the control room, print a one-time sign-in link with{" "}
        <Command>control-room login</Command> and open it in this browser.
      </p>
      <p className="mt-2">
        The link works once and for a short time. There is no password to remember or to lose.
      </p>
    </>
  );
}
