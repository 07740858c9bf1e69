import { useQueryClient } from "@tanstack/react-query";
import { createContext, useContext, useEffect, useState, useSyncExternalStore, type ReactNode } from "react";
import { SessionBook } from "@/features/chat/state/book";
import type { ThreadSession } from "@/features/chat/state/session";
import type { ThreadState } from "@/features/chat/state/state";
import { notifyOfEnd } from "@/features/chat/queue/notify";
import { retitle, upsert } from "@/lib/conversations/cache";
import { setWaiting } from "@/lib/conversations/waiting";
import { onFeed } from "@/lib/feed/bus";

const BookContext = createContext<SessionBook | null>(null);

/** Keeps the open conversations of the signed-in person while they walk between pages. */
export function SessionBookProvider({ children }: { children: ReactNode }) {
  const client = useQueryClient();
  const [book] = useState(
    () =>
      new SessionBook({
        onConversation: (conversation) => upsert(client, conversation),
        onTitle: (id, title) => retitle(client, id, title),
        onWaiting: setWaiting,
      }),
  );
  useEffect(() => onFeed((event) => book.hear(event)), [book]);
  useEffect(() => onFeed((event) => event.type === "turn_ended" && notifyOfEnd(client, event)), [client]);
  return <BookContext value={book}>{children}</BookContext>;
}

export function useBook(): SessionBook {
  const book = useContext(BookContext);
  if (book === null) throw new Error("SessionBookProvider is missing");
  return book;
}

/** What a session holds now; draws again when it changes. */
export function useThreadState(session: ThreadSession): ThreadState {
  return useSyncExternalStore(session.subscribe, session.getState);
}
