import { QueryClient } from "@tanstack/react-query";
import { ApiError, whenSignedOut } from "@/lib/api/client";
import { bootstrapKey } from "@/lib/session";

/** What is read is kept fresh by the feed, so that nothing is polled; only a lost server is tried again. */
export function newQueryClient(): QueryClient {
  const client = new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: 30_000,
        refetchOnWindowFocus: false,
        networkMode: "always",
        retry: (count, error) => error instanceof ApiError && error.retryable && count < 3,
      },
      mutations: { networkMode: "always" },
    },
  });
  whenSignedOut(() => void client.invalidateQueries({ queryKey: bootstrapKey }));
  return client;
}
