"use client";

import { Check, Copy } from "lucide-react";
import { useEffect, useState } from "react";
import { Button } from "@/components/ui/button";

type CopyButtonProps = { value: string; label: string; text?: string };

/** Copies `value`; `label` says to a screen reader what is copied. */
export function CopyButton({ value, label, text }: CopyButtonProps) {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), 1500);
    return () => clearTimeout(timer);
  }, [copied]);
  const Icon = copied ? Check : Copy;
  return (
    <Button
      variant={text ? "outline" : "ghost"}
      size={text ? "default" : "icon-sm"}
      aria-label={copied ? "Copied" : label}
      title={label}
      onClick={() => copy(value).then(setCopied)}
    >
      <Icon aria-hidden />
      {text && (copied ? "Copied" : text)}
    </Button>
  );
}

/** The clipboard API exists on secure origins only; a control room reached by plain http on a LAN falls back. */
async function copy(value: string): Promise<boolean> {
  if (navigator.clipboard) {
    return navigator.clipboard.writeText(value).then(
      () => true,
      () => false,
    );
  }
  const field = document.createElement("textarea");
  field.value = value;
  field.className = "fixed opacity-0";
  document.body.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  return done;
}
