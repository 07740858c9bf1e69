import { readStream, backoffMs, pause } from "@/lib/api/sse";
import { ApiError } from "@/lib/api/client";
import type { FeedEvent } from "@/lib/api/types";

const NAME = "fireside.feed";

export interface FeedOptions {
  onEvent: (event: FeedEvent) => void;
  /** The server is reached (true) or not (false); only known in the tab that reads the feed. */
  onConnection: (connected: boolean) => void;
}

/**
 * Hear what changes for the signed-in person. One tab of this browser reads the server's feed and
 * tells the others; when it closes, the next one takes over. Returns how to stop.
 *
 * Where the browser has no locks (a page without TLS on a network address), every tab reads for itself.
 */
export function listen({ onEvent, onConnection }: FeedOptions): () => void {
  const controller = new AbortController();
  const { signal } = controller;
  const channel = typeof BroadcastChannel === "function" ? new BroadcastChannel(NAME) : null;
  if (channel !== null) {
    channel.onmessage = ({ data }: MessageEvent<FeedEvent>) => onEvent(data);
    signal.addEventListener("abort", () => channel.close());
  }
  const tell = (event: FeedEvent) => {
    if (!signal.aborted) channel?.postMessage(event);
    onEvent(event);
  };
  const locks = (navigator as { locks?: LockManager }).locks;
  if (locks === undefined || channel === null) {
    void read(onEvent, onConnection, signal);
  } else {
    locks.request(NAME, { signal }, () => read(tell, onConnection, signal)).catch(() => undefined);
  }
  return () => controller.abort();
}

async function read(
  tell: (event: FeedEvent) => void,
  onConnection: FeedOptions["onConnection"],
  signal: AbortSignal,
) {
  for (let attempt = 0; !signal.aborted; attempt++) {
    try {
      await readStream("/api/feed", signal, ({ data }) => {
        attempt = 0;
        onConnection(true);
        tell(JSON.parse(data) as FeedEvent);
      });
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof ApiError && (error.status === 401 || error.status === 403)) return;
      if (attempt > 0) onConnection(false);
    }
    await pause(backoffMs(attempt + 1), signal);
  }
}
