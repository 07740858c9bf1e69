/** A server for tests of this folder: one reply, whose stream can be cut anywhere. */
import type { MessageView, OpenConversation, RunningTurn } from "@/lib/api/types";
import type { Message, StreamEvent } from "@/lib/conversation/types";

export const skeleton: Message = {
  id: "r1",
  author: { role: "assistant" },
  parent_id: "u1",
  status: "streaming",
  model: "m",
};

/** The events of a reply that says `words`. */
export function eventsOf(words: readonly string[], message: Message = skeleton): StreamEvent[] {
  return [
    { type: "message_start", message },
    { type: "part_start", index: 0, part: { type: "text" } },
    ...words.map((text): StreamEvent => ({ type: "text_delta", index: 0, text })),
    { type: "part_end", index: 0 },
    { type: "finish", reason: "stop" },
  ];
}

export interface Exchange {
  method: string;
  path: string;
  query: URLSearchParams;
  body: Record<string, unknown>;
}

type Answer = (exchange: Exchange) => Response;

/** Put `answer` in the place of the network; gives the calls that were made. */
export function serveWith(answer: Answer): Exchange[] {
  const seen: Exchange[] = [];
  globalThis.fetch = (input, init) => {
    const url = new URL(String(input), "http://server");
    const body = typeof init?.body === "string" ? (JSON.parse(init.body) as Record<string, unknown>) : {};
    const exchange = { method: init?.method ?? "GET", path: url.pathname, query: url.searchParams, body };
    seen.push(exchange);
    try {
      return Promise.resolve(answer(exchange));
    } catch (error) {
      return Promise.reject(error as Error);
    }
  };
  return seen;
}

/** Events from number `after` + 1 on; the connection breaks in the middle of event `cutAt`. */
export function streamOf(events: readonly StreamEvent[], after: number, cutAt = Infinity): Response {
  const frames = events.map((event, at) => `id: ${at + 1}\ndata: ${JSON.stringify(event)}\n\n`);
  const whole = frames.slice(after, Math.max(after, cutAt - 1)).join("");
  const half = cutAt <= events.length && cutAt > after ? frames[cutAt - 1]!.slice(0, 12) : "";
  return new Response(whole + half, { status: 200, headers: { "content-type": "text/event-stream" } });
}

export const json = (body: unknown, status = 200) => new Response(JSON.stringify(body), { status });

export const refuse = (status: number, code: string) =>
  json({ error: { code, message: "No.", type: "x", param: null, hint: "Do this." } }, status);

export function viewOf(message: Message, siblings: string[] = [message.id]): MessageView {
  return { message, siblings };
}

export const conversation = {
  id: "c1",
  title: "A talk",
  model: null,
  settings: { instructions: "" },
  head: "r1",
  created_at: "2026-11-01T10:00:00Z",
  updated_at: "2026-11-01T10:00:00Z",
  archived: false,
  pinned: false,
  folder_id: null,
  share_slug: null,
  running: [],
};

export function openOf(
  messages: MessageView[],
  turns: RunningTurn[] = [],
  hasEarlier = false,
): OpenConversation {
  return { conversation, messages, has_earlier: hasEarlier, turns, thumbs: {} };
}

export const asked: Message = { id: "u1", author: { role: "user" }, parts: [{ type: "text", text: "Hi" }] };
