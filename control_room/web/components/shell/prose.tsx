import { Command } from "@/components/shell/notice";
import { formatExact } from "@/lib/format";

const TIME = /(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d))/;

/** Text of the server's: what stands between backticks is shown as a command, times as local ones. */
export function Prose({ text }: { text: string }) {
  const parts = text.split("`");
  if (parts.length % 2 === 0) return <Times text={text} />;
  return parts.map((part, index) => {
    const key = `${index} ${part}`;
    return index % 2 === 1 ? <Command key={key}>{part}</Command> : <Times key={key} text={part} />;
  });
}

function Times({ text }: { text: string }) {
  return (
    <span>
      {text.split(TIME).map((part, index) => {
        const key = `${index} ${part}`;
        return index % 2 === 1 ? (
          <time key={key} dateTime={part} title={part}>
            {formatExact(part)}
          </time>
        ) : (
          part
        );
      })}
    </span>
  );
}
