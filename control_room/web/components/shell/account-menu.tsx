"use client";

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { CircleUser, LogOut } from "lucide-react";
import { Button } from "@/components/ui/button";
import {
  DropdownMenu,
  DropdownMenuContent,
  DropdownMenuItem,
  DropdownMenuLabel,
  DropdownMenuSeparator,
  DropdownMenuTrigger,
} from "@/components/ui/dropdown-menu";
import { authKeys, endSession, meQuery } from "@/services/auth";
import { infoQuery } from "@/services/info";

export function AccountMenu() {
  const client = useQueryClient();
  const { data: me } = useQuery(meQuery());
  const { data: info } = useQuery({ ...infoQuery(), enabled: Boolean(me) });
  const signOut = useMutation({
    mutationFn: endSession,
    onSuccess: () => {
      client.removeQueries({ predicate: (query) => query.queryKey[0] !== authKeys.me[0] });
      client.setQueryData(authKeys.me, null);
    },
  });
  if (!me) return null;
  return (
    <DropdownMenu>
      <DropdownMenuTrigger asChild>
        <Button variant="ghost" size="icon" aria-label={`Account: ${me.name}`}>
          <CircleUser />
        </Button>
      </DropdownMenuTrigger>
      <DropdownMenuContent>
        <DropdownMenuLabel>
          Signed in as <span className="font-medium text-foreground">{me.name}</span> ({me.role})
        </DropdownMenuLabel>
        {info && (
          <DropdownMenuLabel className="pt-0">
            Version {info.version}, {info.environment}
          </DropdownMenuLabel>
        )}
        <DropdownMenuSeparator />
        <DropdownMenuItem onSelect={() => signOut.mutate()}>
          <LogOut aria-hidden /> Sign out
        </DropdownMenuItem>
      </DropdownMenuContent>
    </DropdownMenu>
  );
}
