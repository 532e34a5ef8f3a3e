import { Command } from "@/components/shell/notice";

/** Text of the server's, with what stands between backticks shown as a command. */
export function Prose({ text }: { text: string }) {
  const parts = text.split("`");
  if (parts.length % 2 === 0) return text;
  return parts.map((part, index) => {
    const key = `${index} ${part}`;
    return index % 2 === 1 ? <Command key={key}>{part}</Command> : <span key={key}>{part}</span>;
  });
}
