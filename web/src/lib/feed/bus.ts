import { create } from "zustand";
import type { FeedEvent } from "@/lib/api/types";

type Hear = (event: FeedEvent) => void;

const hearers = new Set<Hear>();

/** Whether the server is reached; false only after it was tried more than once. */
export const useConnection = create<{ connected: boolean }>(() => ({ connected: true }));

/** Hear every event of the feed. Returns how to stop. */
export function onFeed(hear: Hear): () => void {
  hearers.add(hear);
  return () => hearers.delete(hear);
}

/** Tell an event to all who listen in this tab. */
export function tellFeed(event: FeedEvent): void {
  for (const hear of hearers) hear(event);
}

export function setConnected(connected: boolean): void {
  if (useConnection.getState().connected !== connected) useConnection.setState({ connected });
}
