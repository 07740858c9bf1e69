import { turnEvents } from "@/features/chat/api";
import { ApiError } from "@/lib/api/client";
import { backoffMs, pause, readStream, type Frame } from "@/lib/api/sse";
import { Fold, FoldError } from "@/lib/conversation/fold";
import { readPlaceInLine, type PlaceInLine } from "@/lib/conversation/queue";
import type { Message, StreamEvent } from "@/lib/conversation/types";

export interface Following {
  turnId: string;
  /** What is known of the reply; `after` events are already in it. */
  message: Message;
  after: number;
  signal: AbortSignal;
  /** The message grew. Called for every event: collect, and draw once a frame. */
  onGrowth: (fold: Fold) => void;
  onTitle: (title: string) => void;
  /** The reply has not begun: where it stands in line; null once it begins. */
  onPlace: (place: PlaceInLine | null) => void;
  /** Reading stopped (false) or goes on again (true). */
  onConnection: (connected: boolean) => void;
}

/** How following came out: the reply ended, or the server does not know the turn any more. */
export type Outcome = "ended" | "unknown" | "aborted";

/**
 * Read a turn to its end, over as many connections as it takes. Every event has a number; reading
 * goes on after the last one folded, and a number seen before is skipped, so that no word is lost
 * and none is said twice.
 */
export async function follow(task: Following): Promise<Outcome> {
  const { signal } = task;
  let fold = new Fold(task.message);
  let last = task.after;
  let attempt = 0;
  let misfits = 0;

  const take = ({ id, data, event: name }: Frame) => {
    if (name !== undefined) {
      // A passing remark, not part of the reply: it has no number and is never told again.
      attempt = 0;
      task.onConnection(true);
      if (name === "queue") task.onPlace(readPlaceInLine(data));
      return;
    }
    const number = id === null ? last + 1 : Number(id);
    if (number <= last) return;
    const event = JSON.parse(data) as StreamEvent;
    if (event.type === "message_start" && fold.ended) fold = new Fold(event.message);
    fold.apply(event);
    last = number;
    attempt = 0;
    task.onConnection(true);
    // The skeleton and the title come while it still waits; the first part is what it waited for.
    if (fold.ended || event.type === "part_start") task.onPlace(null);
    if (event.type === "title") task.onTitle(event.title);
    task.onGrowth(fold);
  };

  while (!signal.aborted) {
    try {
      await readStream(turnEvents(task.turnId, last), signal, take);
      if (fold.ended) return "ended";
      attempt += 1;
    } catch (error) {
      if (signal.aborted) return "aborted";
      if (fold.ended) return "ended";
      if (error instanceof FoldError && misfits < 2) {
        // What we hold does not fit what comes: begin again from the first event.
        misfits += 1;
        last = 0;
        continue;
      }
      if (!(error instanceof ApiError) || !error.retryable) return "unknown";
      attempt += 1;
    }
    if (attempt > 1) task.onConnection(false);
    await pause(backoffMs(attempt - 1), signal);
  }
  return "aborted";
}
