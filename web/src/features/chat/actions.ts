import { createContext, use } from "react";
import type { ThreadSession } from "@/features/chat/state/session";
import { toast } from "@/components/ui/Toast";
import { explain } from "@/lib/errors";

/** What the parts of an open conversation share; it stays the same while a reply streams. */
export interface ThreadContext {
  session: ThreadSession;
  /** The model the person chose; null lets the server take its default. */
  model: string | null;
  /** The user message that is being edited. */
  editing: string | null;
  setEditing: (messageId: string | null) => void;
  /** Put the cursor where the next message is written. */
  focusComposer: () => void;
}

export const ThreadContext = createContext<ThreadContext | null>(null);

export function useThread(): ThreadContext {
  const context = use(ThreadContext);
  if (context === null) throw new Error("ThreadContext is missing");
  return context;
}

/** Run an action of the page; a failure becomes a toast with what to do next. */
export function attempt(action: () => Promise<unknown>, failedTitle?: string): void {
  action().catch((error: unknown) => {
    const { title, hint } = explain(error);
    const text = failedTitle === undefined ? hint : [title, hint].filter(Boolean).join(" ");
    toast({ title: failedTitle ?? title, text, look: "bad" });
  });
}
