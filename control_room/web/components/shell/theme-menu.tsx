"use client";

import { Check, Monitor, Moon, Sun } from "lucide-react";
import { Button } from "@/components/ui/button";
import {
  DropdownMenu,
  DropdownMenuContent,
  DropdownMenuRadioGroup,
  DropdownMenuRadioItem,
  DropdownMenuTrigger,
} from "@/components/ui/dropdown-menu";
import { useTheme } from "@/hooks/use-theme";
import { isTheme, THEMES } from "@/lib/theme";

const ICONS = { system: Monitor, light: Sun, dark: Moon };

export function ThemeMenu() {
  const [theme, choose] = useTheme();
  return (
    <DropdownMenu>
      <DropdownMenuTrigger asChild>
        <Button variant="ghost" size="icon" aria-label={`Theme: ${theme}`}>
          <Sun className="dark:hidden" />
          <Moon className="hidden dark:block" />
        </Button>
      </DropdownMenuTrigger>
      <DropdownMenuContent>
        <DropdownMenuRadioGroup value={theme} onValueChange={(value) => isTheme(value) && choose(value)}>
          {THEMES.map((name) => {
            const Icon = ICONS[name];
            return (
              <DropdownMenuRadioItem key={name} value={name} className="capitalize">
                <Icon aria-hidden />
                <span className="flex-1">{name}</span>
                {name === theme && <Check aria-hidden />}
              </DropdownMenuRadioItem>
            );
          })}
        </DropdownMenuRadioGroup>
      </DropdownMenuContent>
    </DropdownMenu>
  );
}
