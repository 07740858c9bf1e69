import type { SessionWatcher } from "@/features/chat/state/session";
import { ThreadSession } from "@/features/chat/state/session";
import type { FeedEvent } from "@/lib/api/types";

const KEPT = 4;

/** The conversations that are open in this tab: the last few stay warm, so that going back is instant. */
export class SessionBook {
  private readonly sessions = new Map<string, ThreadSession>(); // conversation id -> session, oldest use first
  private blank: ThreadSession | null = null;

  constructor(private readonly watcher: Omit<SessionWatcher, "onCreated">) {}

  /** The session of a conversation, or the blank one that waits for its first message. */
  get(conversationId: string | null): ThreadSession {
    if (conversationId === null) return (this.blank ??= this.make(null, false));
    // Its page has moved to its own address: the next blank page is a new one.
    if (this.blank?.id === conversationId) this.blank = null;
    const known = this.sessions.get(conversationId);
    if (known !== undefined) {
      this.sessions.delete(conversationId);
      this.sessions.set(conversationId, known);
      return known;
    }
    const session = this.make(conversationId, false);
    this.keep(conversationId, session);
    void session.open();
    return session;
  }

  /** Throw the blank session away and begin one that is temporary, or not. */
  renew(temporary: boolean): ThreadSession {
    if (this.blank?.id === null) this.blank.close();
    this.blank = this.make(null, temporary);
    return this.blank;
  }

  hear(event: FeedEvent): void {
    for (const session of this.sessions.values()) session.hear(event);
    if (event.type === "conversation_deleted") this.drop(event.id);
  }

  drop(conversationId: string): void {
    this.sessions.get(conversationId)?.close();
    this.sessions.delete(conversationId);
  }

  close(): void {
    for (const session of this.sessions.values()) session.close();
    this.sessions.clear();
    this.blank?.close();
    this.blank = null;
  }

  private make(conversationId: string | null, temporary: boolean): ThreadSession {
    return new ThreadSession(
      conversationId,
      {
        ...this.watcher,
        onCreated: (session, id) => this.keep(id, session),
      },
      temporary,
    );
  }

  private keep(conversationId: string, session: ThreadSession): void {
    this.sessions.set(conversationId, session);
    if (this.sessions.size <= KEPT) return;
    const [oldest] = this.sessions.keys();
    this.drop(oldest!);
  }
}
