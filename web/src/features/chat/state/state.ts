/** The open conversation as the page holds it: values and pure changes, nothing that waits. */
import type { ConversationView, MessageView, OpenConversation, Thumb, TurnStarted } from "@/lib/api/types";
import type { PlaceInLine } from "@/lib/conversation/queue";
import { isRunning, type Message } from "@/lib/conversation/types";

export type Phase = "fresh" | "loading" | "ready" | "failed";

/** A message on its way to the server. */
export interface Pending {
  text: string;
  parentId: string | null;
}

/** Two replies to the same question, waiting for a word on which is better. */
export interface Comparison {
  before: Message;
  afterId: string;
}

export interface ThreadState {
  phase: Phase;
  error: unknown;
  conversation: ConversationView | null;
  /** The path on screen, root first; its beginning may still be on the server. */
  views: readonly MessageView[];
  hasEarlier: boolean;
  loadingEarlier: boolean;
  /** message id -> the turn that is writing it */
  turns: Readonly<Record<string, string>>;
  /** message id -> where the reply stands in line, while it has not begun */
  places: Readonly<Record<string, PlaceInLine>>;
  thumbs: Readonly<Record<string, Thumb>>;
  pending: Pending | null;
  temporary: boolean;
  comparison: Comparison | null;
  /** The message that was looked for last; a new object each time. */
  revealed: { id: string } | null;
  /** False while a reply is being written that cannot be read just now. */
  connected: boolean;
}

export function freshState(temporary = false): ThreadState {
  return {
    phase: "fresh",
    error: null,
    conversation: null,
    views: [],
    hasEarlier: false,
    loadingEarlier: false,
    turns: {},
    places: {},
    thumbs: {},
    pending: null,
    temporary,
    comparison: null,
    revealed: null,
    connected: true,
  };
}

export function lastView(state: ThreadState): MessageView | null {
  return state.views.at(-1) ?? null;
}

/** The reply on screen that is still being written, if there is one. */
export function runningView(state: ThreadState): MessageView | null {
  const last = lastView(state);
  return last !== null && isRunning(last.message) ? last : null;
}

export function findView(state: ThreadState, messageId: string): MessageView | null {
  return state.views.find((view) => view.message.id === messageId) ?? null;
}

/** The views above `messageId`; all of them when it is null or not there. */
function above(views: readonly MessageView[], messageId: string | null): readonly MessageView[] {
  const at = views.findIndex((view) => view.message.id === messageId);
  return at === -1 ? views : views.slice(0, at);
}

/** The views down to and including `messageId`; none when it is null. */
export function downTo(views: readonly MessageView[], messageId: string | null): readonly MessageView[] {
  if (messageId === null) return [];
  const at = views.findIndex((view) => view.message.id === messageId);
  return at === -1 ? views : views.slice(0, at + 1);
}

/**
 * A window read from the server, joined to what was loaded above it before. `asOf` is the state when
 * it was asked for: a thumb given since then is newer than the answer.
 */
export function opened(
  state: ThreadState,
  open: OpenConversation,
  live: ReadonlyMap<string, Message>,
  asOf: ThreadState = state,
): ThreadState {
  const fresh = open.messages.map((view) => withLive(view, live));
  const first = fresh[0]?.message;
  const known = state.views.findIndex((view) => view.message.id === first?.id);
  const kept = open.has_earlier && known > 0 ? state.views.slice(0, known) : [];
  return {
    ...state,
    phase: "ready",
    error: null,
    conversation: open.conversation,
    views: [...kept, ...fresh.map((view) => sameOr(state, view))],
    hasEarlier: kept.length > 0 ? state.hasEarlier : open.has_earlier,
    turns: {
      ...state.turns,
      ...Object.fromEntries(open.turns.map((turn) => [turn.message_id, turn.turn_id])),
    },
    thumbs: state.thumbs === asOf.thumbs ? thumbsAfter(state, open) : state.thumbs,
  };
}

/** The server's word for the messages it gave, ours for the others. */
function thumbsAfter(state: ThreadState, open: OpenConversation): Record<string, Thumb> {
  const read = new Set(open.messages.map((view) => view.message.id));
  const others = Object.entries(state.thumbs).filter(([id]) => !read.has(id));
  return { ...Object.fromEntries(others), ...open.thumbs };
}

function withLive(view: MessageView, live: ReadonlyMap<string, Message>): MessageView {
  const message = live.get(view.message.id);
  return message === undefined ? view : { ...view, message };
}

/** The view on screen when the server's says the same, so that nothing is drawn again. */
function sameOr(state: ThreadState, view: MessageView): MessageView {
  const old = findView(state, view.message.id);
  if (old === null || old.siblings.join() !== view.siblings.join()) return view;
  const same = old.message === view.message || JSON.stringify(old.message) === JSON.stringify(view.message);
  return same ? old : view;
}

/** Earlier messages put above those on screen. */
export function prepended(state: ThreadState, open: OpenConversation): ThreadState {
  const known = new Set(state.views.map((view) => view.message.id));
  const earlier = open.messages.filter((view) => !known.has(view.message.id));
  return {
    ...state,
    views: [...earlier, ...state.views],
    hasEarlier: open.has_earlier && earlier.length > 0,
    loadingEarlier: false,
    thumbs: { ...open.thumbs, ...state.thumbs },
  };
}

/** What a begun turn puts on screen: the person's message, if there is a new one, and the reply's place. */
export function started(state: ThreadState, turn: TurnStarted): ThreadState {
  const { user_message: asked, message: reply } = turn;
  const first = asked ?? reply;
  const again = findView(state, reply.message.id) !== null;
  const views = again
    ? [...above(state.views, reply.message.id), reply]
    : [...downTo(state.views, first.message.parent_id ?? null), ...(asked === null ? [] : [asked]), reply];
  return {
    ...state,
    phase: "ready",
    conversation: turn.conversation ?? state.conversation,
    views,
    hasEarlier: (first.message.parent_id ?? null) === null ? false : state.hasEarlier,
    turns: { ...state.turns, [reply.message.id]: turn.turn_id },
    pending: null,
    comparison: null,
  };
}

/** Messages as they stand now; those that are not on screen are left alone. */
export function grown(state: ThreadState, messages: ReadonlyMap<string, Message>): ThreadState {
  if (!state.views.some((view) => messages.has(view.message.id))) return state;
  return { ...state, views: state.views.map((view) => withLive(view, messages)) };
}

/** A message that a turn has begun and that is not on screen yet: a tool's answer, a second reply. */
export function appended(state: ThreadState, message: Message): ThreadState {
  if (findView(state, message.id) !== null) return state;
  if (message.parent_id !== lastView(state)?.message.id) return state;
  return { ...state, views: [...state.views, { message, siblings: [message.id] }] };
}

/** Where a reply stands in line now; null when it has begun. Place 0 begins this instant: nothing to say. */
export function placed(state: ThreadState, messageId: string, place: PlaceInLine | null): ThreadState {
  if (place !== null && place.place > 0) return { ...state, places: { ...state.places, [messageId]: place } };
  if (state.places[messageId] === undefined) return state;
  const { [messageId]: _, ...places } = state.places;
  return { ...state, places };
}

/** Where a reply stands in line, if it waits: nothing of it has been said. */
export function placeOf(state: ThreadState, message: Message): PlaceInLine | null {
  const waits = isRunning(message) && (message.parts ?? []).length === 0;
  return waits ? (state.places[message.id] ?? null) : null;
}

/** A reply has come to its end: no turn writes it any more. */
export function ended(state: ThreadState, messageId: string): ThreadState {
  const { [messageId]: _, ...turns } = state.turns;
  return { ...placed(state, messageId, null), turns, connected: true };
}
