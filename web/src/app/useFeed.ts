import { useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { foldersKey, markRunning, remove, retitle, upsert } from "@/lib/conversations/cache";
import { listen } from "@/lib/feed";
import { onFeed, setConnected, tellFeed } from "@/lib/feed/bus";
import { modelsKey } from "@/lib/models";
import type { FeedEvent } from "@/lib/api/types";
import type { QueryClient } from "@tanstack/react-query";

/** Keeps the lists right while the person is signed in, whatever other tabs and devices do. */
export function useFeed(signedIn: boolean): void {
  const client = useQueryClient();
  useEffect(() => {
    if (!signedIn) return;
    const forget = onFeed((event) => take(client, event));
    const stop = listen({ onEvent: tellFeed, onConnection: setConnected });
    return () => {
      stop();
      forget();
      setConnected(true);
    };
  }, [client, signedIn]);
}

function take(client: QueryClient, event: FeedEvent): void {
  switch (event.type) {
    case "conversation":
      upsert(client, event.conversation);
      break;
    case "title":
      retitle(client, event.conversation_id, event.title);
      break;
    case "conversation_deleted":
      remove(client, event.id);
      break;
    case "turn":
      if (event.turn.conversation_id !== null)
        markRunning(client, event.turn.conversation_id, event.turn.turn_id, true);
      break;
    case "turn_ended":
      if (event.conversation_id !== null) markRunning(client, event.conversation_id, event.turn_id, false);
      break;
    case "models":
      void client.invalidateQueries({ queryKey: modelsKey });
      break;
    case "resync":
      for (const queryKey of [["conversations"], foldersKey, modelsKey])
        void client.invalidateQueries({ queryKey });
      break;
    default:
      event satisfies never;
  }
}
