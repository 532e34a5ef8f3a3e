import type { ReactNode } from "react";
import { cn } from "@/lib/cn";

type NoticeProps = {
  title: string;
  children?: ReactNode;
  actions?: ReactNode;
  icon?: ReactNode;
  className?: string;
};

/** A calm block in place of content: nothing here yet, nothing found, nobody signed in. */
export function Notice({ title, children, actions, icon, className }: NoticeProps) {
  return (
    <div
      className={cn("mx-auto flex max-w-lg flex-col items-center gap-2 px-6 py-14 text-center", className)}
    >
      {icon && <div className="mb-1 text-muted-foreground [&_svg]:size-6">{icon}</div>}
      <h2 className="text-base font-semibold">{title}</h2>
      {children && <div className="text-sm text-pretty text-muted-foreground">{children}</div>}
      {actions && <div className="mt-2 flex flex-wrap justify-center gap-2">{actions}</div>}
    </div>
  );
}

export function Command({ children }: { children: string }) {
  return (
    <code className="rounded-sm bg-secondary px-1.5 py-0.5 text-[0.8125rem] text-foreground">{children}</code>
  );
}
