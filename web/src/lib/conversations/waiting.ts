import { create } from "zustand";

/** Conversations in which a question waits in line, as far as this tab follows them. */
const useWaiting = create<{ ids: ReadonlySet<string> }>(() => ({ ids: new Set() }));

export function setWaiting(conversationId: string, waiting: boolean): void {
  const { ids } = useWaiting.getState();
  if (ids.has(conversationId) === waiting) return;
  const next = new Set(ids);
  if (waiting) next.add(conversationId);
  else next.delete(conversationId);
  useWaiting.setState({ ids: next });
}

export function useIsWaiting(conversationId: string): boolean {
  return useWaiting(({ ids }) => ids.has(conversationId));
}
