"use client";

import { QueryCache, QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { LiveProvider } from "@/components/shell/live";
import { authKeys } from "@/services/auth";
import { ProblemError } from "@/services/http";

function makeClient(): QueryClient {
  const client: QueryClient = new QueryClient({
    queryCache: new QueryCache({
      // A session that ended shows at once, whichever request met it.
      onError: (error) => {
        if (error instanceof ProblemError && error.isUnauthenticated) client.setQueryData(authKeys.me, null);
      },
    }),
    defaultOptions: {
      queries: {
        retry: (failures, error) => failures < 2 && !(error instanceof ProblemError && !error.isTransient),
        refetchOnWindowFocus: "always",
      },
    },
  });
  return client;
}

export function Providers({ children }: { children: ReactNode }) {
  const [client] = useState(makeClient);
  return (
    <QueryClientProvider client={client}>
      <LiveProvider>{children}</LiveProvider>
    </QueryClientProvider>
  );
}
