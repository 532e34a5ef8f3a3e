"use client";

import Link from "next/link";
import { usePathname } from "next/navigation";
import { AccountMenu } from "@/components/shell/account-menu";
import { LiveIndicator } from "@/components/shell/live";
import { Mark } from "@/components/shell/mark";
import { ThemeMenu } from "@/components/shell/theme-menu";

const PLACES = [
  { href: "/runs/", text: "Runs", paths: ["/runs/", "/run/"] },
  { href: "/executors/", text: "Executors", paths: ["/executors/"] },
  { href: "/limits/", text: "Limits", paths: ["/limits/"] },
];

export function Header() {
  const path = usePathname();
  return (
    <header className="border-b bg-card">
      <a
        href="#main"
        className="sr-only focus:not-sr-only focus:absolute focus:top-2 focus:left-2 focus:z-50 focus:rounded-md focus:bg-popover focus:px-3 focus:py-2"
      >
        Skip to the content
      </a>
      <div className="mx-auto flex h-12 max-w-[96rem] items-center gap-3 px-4 sm:gap-6 sm:px-6">
        <Link href="/runs/" className="flex items-center gap-2 font-semibold whitespace-nowrap">
          <Mark className="size-5 text-primary" />
          <span className="max-md:sr-only">Lakehouse Control Room</span>
        </Link>
        <nav aria-label="Main" className="flex h-full items-stretch gap-1 text-sm">
          {PLACES.map((place) => (
            <Link
              key={place.href}
              href={place.href}
              aria-current={place.paths.includes(path) ? "page" : undefined}
              className="-mb-px flex items-center border-b-2 border-transparent px-2 text-muted-foreground hover:text-foreground focus-visible:outline-offset-[-2px] aria-[current=page]:border-primary aria-[current=page]:text-foreground"
            >
              {place.text}
            </Link>
          ))}
        </nav>
        <div className="ml-auto flex items-center gap-1">
          <span className="mr-2">
            <LiveIndicator />
          </span>
          <ThemeMenu />
          <AccountMenu />
        </div>
      </div>
    </header>
  );
}
