import {
  chooseInLine,
  openConversation,
  PAGE,
  patchConversation,
  startTurn,
  stopTurn,
  type LineChoice,
} from "@/features/chat/api";
import { follow } from "@/features/chat/state/follow";
import { FrameBatch } from "@/features/chat/state/frames";
import * as change from "@/features/chat/state/state";
import { freshState, type ThreadState } from "@/features/chat/state/state";
import { ApiError } from "@/lib/api/client";
import type { ConversationView, FeedEvent, RunningTurn, Thumb, TurnAsk, TurnStarted } from "@/lib/api/types";
import type { Fold } from "@/lib/conversation/fold";
import type { PlaceInLine } from "@/lib/conversation/queue";
import { isRunning, type Message } from "@/lib/conversation/types";
import { newId } from "@/lib/ids";

/** How many pages of 200 messages are read to find one that was searched for. */
const REVEAL_PAGES = 60;

/** What a session tells the page around it. */
export interface SessionWatcher {
  onConversation: (conversation: ConversationView) => void;
  onTitle: (conversationId: string, title: string) => void;
  /** A new conversation got its id. */
  onCreated: (session: ThreadSession, conversationId: string) => void;
  /** Whether a reply of the conversation waits in line, as far as this tab follows it. */
  onWaiting: (conversationId: string, waiting: boolean) => void;
}

/**
 * One open conversation: reads it, begins turns, follows replies. Holds the state that the thread
 * and the composer draw; every change of it goes through a pure function of state.ts.
 */
export class ThreadSession {
  /** Names this session for drawing; a new conversation keeps it when it gets its id. */
  readonly key = newId();
  private state: ThreadState;
  private readonly listeners = new Set<() => void>();
  private readonly followed = new Map<string, AbortController>(); // turn id -> how to let go of it
  private readonly live = new Map<string, Message>(); // message id -> as folded so far
  private readonly lost = new Set<string>(); // turns that the server listed but did not know
  private readonly named = new Set<string>(); // replies whose model was asked for after their end
  private readonly waited = new Set<string>(); // replies that stood in line
  private readonly grown = new Map<string, Fold>();
  private readonly frames = new FrameBatch(() => this.drawGrowth());
  private asking = 0;
  private opening: Promise<void> | null = null;

  constructor(
    readonly conversationId: string | null,
    private readonly watcher: SessionWatcher,
    temporary = false,
  ) {
    this.state = freshState(temporary);
  }

  readonly getState = (): ThreadState => this.state;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  get id(): string | null {
    return this.state.conversation?.id ?? this.conversationId;
  }

  private set(next: ThreadState): void {
    if (next === this.state) return;
    this.state = next;
    for (const listener of this.listeners) listener();
  }

  private patch(part: Partial<ThreadState>): void {
    this.set({ ...this.state, ...part });
  }

  /** Read the conversation and follow what runs in it. `head` shows another branch. */
  open(head?: string): Promise<void> {
    const reading = this.read(head).finally(() => {
      if (this.opening === reading) this.opening = null;
    });
    this.opening = reading;
    return reading;
  }

  private async read(head?: string): Promise<void> {
    const id = this.id;
    if (id === null) return;
    if (this.state.phase !== "ready") this.patch({ phase: "loading", error: null });
    try {
      const asOf = this.state;
      const open = await openConversation(id, head === undefined ? {} : { head });
      this.set(change.opened(this.state, open, this.live, asOf));
      for (const turn of open.turns)
        this.followRunning(turn, open.messages.find((v) => v.message.id === turn.message_id)?.message);
    } catch (error) {
      if (this.state.phase === "loading") this.patch({ phase: "failed", error });
      else if (error instanceof ApiError && error.status === 404) this.patch({ phase: "failed", error });
    }
  }

  /** Read further up. */
  async loadEarlier(limit = PAGE): Promise<void> {
    const { views, hasEarlier, loadingEarlier } = this.state;
    const first = views[0]?.message;
    if (!hasEarlier || loadingEarlier || first === undefined || this.id === null) return;
    this.patch({ loadingEarlier: true });
    try {
      const head = this.state.views.at(-1)!.message.id;
      const open = await openConversation(this.id, { head, before: first.id, limit });
      this.set(change.prepended(this.state, open));
    } catch {
      this.patch({ loadingEarlier: false });
    }
  }

  /** Send a message; rejects when the server did not take it. `parentId` null begins at the root. */
  async send(
    text: string,
    options: { parentId?: string | null; model: string | null; folderId?: string | null },
  ) {
    const last = change.lastView(this.state)?.message.id ?? null;
    const parentId = options.parentId === undefined ? last : options.parentId;
    if (this.state.temporary) return this.sendTemporary(text, parentId, options.model);
    this.patch({ pending: { text, parentId } });
    await this.begin({
      kind: "send",
      request_id: newId(),
      conversation_id: this.id,
      parent_id: parentId,
      text,
      model: options.model,
      ...(options.folderId ? { folder_id: options.folderId } : {}),
    });
  }

  /** Another version of a reply, perhaps by another model. */
  async regenerate(messageId: string, model: string | null): Promise<void> {
    const before = change.findView(this.state, messageId)?.message;
    if (before === undefined) return;
    if (this.state.temporary) return this.answerTemporary(before.parent_id ?? null, model);
    if (this.id === null) return;
    const ask = {
      kind: "regenerate",
      request_id: newId(),
      conversation_id: this.id,
      message_id: messageId,
    } as const;
    const turn = await this.begin({ ...ask, model });
    const comparable = (before.status ?? "complete") === "complete" && (before.parts ?? []).length > 0;
    if (comparable) this.patch({ comparison: { before, afterId: turn.message.message.id } });
  }

  /** Go on with a reply that was cut short. */
  async continueReply(messageId: string): Promise<void> {
    if (this.id === null) return;
    const ids = { conversation_id: this.id, message_id: messageId };
    await this.begin({ kind: "continue", request_id: newId(), ...ids });
  }

  private async sendTemporary(text: string, parentId: string | null, model: string | null): Promise<void> {
    const message: Message = {
      id: newId(),
      author: { role: "user" },
      parts: [{ type: "text", text }],
      created_at: new Date().toISOString(),
      ...(parentId === null ? {} : { parent_id: parentId }),
    };
    const before = this.state;
    const views = [...change.downTo(before.views, parentId), { message, siblings: [message.id] }];
    this.patch({ views, phase: "ready" });
    try {
      await this.answerTemporary(message.id, model);
    } catch (error) {
      this.set(before);
      throw error;
    }
  }

  private async answerTemporary(askedId: string | null, model: string | null): Promise<void> {
    const views = change.downTo(this.state.views, askedId);
    const messages = views.map((view) => view.message);
    await this.begin({ kind: "temporary", request_id: newId(), messages, model });
  }

  private async begin(ask: TurnAsk): Promise<TurnStarted> {
    this.asking += 1;
    try {
      const turn = await startTurn(ask);
      const isNew = this.id === null && turn.conversation !== null;
      // A continued reply starts from what it had; what was folded before is out of date.
      this.live.delete(turn.message.message.id);
      this.set(change.started(this.state, turn));
      if (turn.conversation !== null) this.watcher.onConversation(turn.conversation);
      this.followFrom(turn.turn_id, turn.message.message, 0);
      if (isNew) this.watcher.onCreated(this, turn.conversation!.id);
      return turn;
    } catch (error) {
      this.patch({ pending: null });
      throw error;
    } finally {
      this.asking -= 1;
    }
  }

  /** Stop the reply on screen. What was said stays. */
  async stop(): Promise<void> {
    const running = change.runningView(this.state);
    const turnId = running === null ? undefined : this.state.turns[running.message.id];
    if (turnId !== undefined) await stopTurn(turnId);
  }

  /** Decide for a reply that waits in line: a smaller model now, or the answer later. */
  async choose(messageId: string, choice: LineChoice): Promise<void> {
    const turnId = this.state.turns[messageId];
    const place = this.state.places[messageId];
    if (turnId === undefined || place === undefined) return;
    await chooseInLine(turnId, choice);
    // The next frame says the same with its own figures; until then the page shows what was decided.
    const now = this.state.places[messageId];
    if (choice.choice === "later" && now !== undefined)
      this.setPlace(messageId, { ...now, mode: "later", choices: [] });
  }

  private setPlace(messageId: string, place: PlaceInLine | null): void {
    if (place !== null) this.waited.add(messageId);
    this.set(change.placed(this.state, messageId, place));
    if (this.id !== null) this.watcher.onWaiting(this.id, Object.keys(this.state.places).length > 0);
  }

  /** Show the branch that `messageId` is on, down to its newest leaf, here and wherever it is opened next. */
  async showBranch(messageId: string): Promise<void> {
    if (this.id === null) return;
    this.patch({ comparison: null });
    await this.open(messageId);
    const leaf = change.lastView(this.state)?.message.id;
    if (leaf !== undefined) await patchConversation(this.id, { head: leaf });
  }

  /** Show one message, however far up it is, on whichever branch. */
  async reveal(messageId: string): Promise<void> {
    if (this.opening !== null) await this.opening;
    if (change.findView(this.state, messageId) === null) await this.open(messageId);
    for (let page = 0; page < REVEAL_PAGES && this.state.hasEarlier; page++) {
      if (change.findView(this.state, messageId) !== null) break;
      await this.loadEarlier(200);
    }
    if (change.findView(this.state, messageId) !== null) this.patch({ revealed: { id: messageId } });
  }

  setThumb(messageId: string, thumb: Thumb | "none"): void {
    const { [messageId]: _, ...others } = this.state.thumbs;
    this.patch({ thumbs: thumb === "none" ? others : { ...others, [messageId]: thumb } });
  }

  dismissComparison(): void {
    this.patch({ comparison: null });
  }

  /** Something happened elsewhere: in another tab, on another device, on the server. */
  hear(event: FeedEvent): void {
    if (event.type === "resync") {
      if (this.state.phase === "ready" && this.asking === 0) void this.open();
    } else if (event.type === "conversation") {
      if (event.conversation.id === this.id) this.patch({ conversation: event.conversation });
    } else if (event.type === "title") {
      const { conversation } = this.state;
      if (conversation !== null && event.conversation_id === this.id)
        this.patch({ conversation: { ...conversation, title: event.title } });
    } else if (event.type === "turn") {
      const { turn } = event;
      const elsewhere =
        turn.conversation_id === this.id && !this.followed.has(turn.turn_id) && this.asking === 0;
      if (elsewhere && this.state.phase === "ready") void this.open();
    } else if (event.type === "turn_ended" && event.conversation_id === this.id) {
      // We heard of its end without having followed it.
      const stuck = change.runningView(this.state);
      if (stuck !== null && !this.followed.has(event.turn_id)) void this.open();
    }
  }

  private followRunning(turn: RunningTurn, message: Message | undefined): void {
    if (this.lost.has(turn.turn_id)) return;
    if (message !== undefined && isRunning(message)) this.followFrom(turn.turn_id, message, turn.offset);
  }

  private followFrom(turnId: string, message: Message, after: number): void {
    if (this.followed.has(turnId)) return;
    const controller = new AbortController();
    this.followed.set(turnId, controller);
    const watched = follow({
      turnId,
      message,
      after,
      signal: controller.signal,
      onGrowth: (fold) => {
        this.grown.set(fold.id, fold);
        this.frames.ask();
      },
      onTitle: (title) => this.id !== null && this.watcher.onTitle(this.id, title),
      onPlace: (place) => {
        if (place !== null || this.state.places[message.id] !== undefined) this.setPlace(message.id, place);
      },
      onConnection: (connected) => connected !== this.state.connected && this.patch({ connected }),
    });
    void watched.then((outcome) => this.followedToEnd(turnId, message.id, outcome));
  }

  private followedToEnd(turnId: string, messageId: string, outcome: string): void {
    this.followed.delete(turnId);
    this.frames.now();
    if (outcome === "aborted") return;
    this.live.delete(messageId);
    this.set(change.ended(this.state, messageId));
    if (this.id !== null) this.watcher.onWaiting(this.id, Object.keys(this.state.places).length > 0);
    // A reply that waited for an engine did not know its model when it began; the server does now.
    const message = change.findView(this.state, messageId)?.message;
    const nameless = message !== undefined && message.model === undefined && !this.named.has(messageId);
    this.named.add(messageId);
    // One that stood in line may have been answered by another model, or with less: the server noted that, too.
    const waited = this.waited.delete(messageId);
    if (outcome === "unknown") this.lost.add(turnId);
    if (outcome === "unknown" || nameless || waited) void this.open();
  }

  private drawGrowth(): void {
    if (this.grown.size === 0) return;
    let next = this.state;
    const messages = new Map<string, Message>();
    for (const [id, fold] of this.grown) {
      const message = fold.message();
      messages.set(id, message);
      this.live.set(id, message);
      next = change.appended(next, message);
    }
    this.grown.clear();
    this.set(change.grown(next, messages));
  }

  /** Let go of every stream. The turns themselves go on. */
  close(): void {
    this.frames.cancel();
    for (const controller of this.followed.values()) controller.abort();
    this.followed.clear();
  }
}
