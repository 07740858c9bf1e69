import type { MessageView } from "@/lib/api/types";

export interface ChunkOfViews {
  key: string;
  views: readonly MessageView[];
}

/** About so many messages share a chunk. */
const SIZE = 6;

/**
 * Cut a thread into chunks at places that the message ids choose, so that the cuts stay where they
 * are when messages are put above or below. The end of a UUIDv7 is random.
 */
export function chunksOf(views: readonly MessageView[]): ChunkOfViews[] {
  const chunks: { key: string; views: MessageView[] }[] = [];
  for (const view of views) {
    const cut = chunks.length === 0 || parseInt(view.message.id.slice(-4), 16) % SIZE === 0;
    if (cut) chunks.push({ key: view.message.id, views: [view] });
    else chunks.at(-1)!.views.push(view);
  }
  // The first chunk's beginning moves when earlier messages come; its end does not.
  if (chunks.length > 1) chunks[0]!.key = `before-${chunks[1]!.key}`;
  return chunks;
}

/** The same views in the same order. */
export function sameViews(a: readonly MessageView[], b: readonly MessageView[]): boolean {
  return a.length === b.length && a.every((view, at) => view === b[at]);
}
