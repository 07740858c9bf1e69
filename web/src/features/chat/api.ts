import { api, ApiError, type CallOptions } from "@/lib/api/client";
import { backoffMs, pause } from "@/lib/api/sse";
import type {
  ConversationPatch,
  ConversationView,
  OpenConversation,
  TurnAsk,
  TurnStarted,
} from "@/lib/api/types";

export const PAGE = 50;

interface Window {
  head?: string;
  before?: string;
  limit?: number;
}

export const openConversation = (id: string, window: Window, options: CallOptions = {}) =>
  api.get<OpenConversation>(`/api/conversations/${id}`, { ...options, query: { limit: PAGE, ...window } });

export const patchConversation = (id: string, change: ConversationPatch) =>
  api.patch<ConversationView>(`/api/conversations/${id}`, change);

/** Begin a turn. The request id makes it safe to ask again when the answer was lost on the way. */
export async function startTurn(ask: TurnAsk): Promise<TurnStarted> {
  const never = new AbortController().signal;
  for (let attempt = 0; ; attempt++) {
    try {
      return await api.post<TurnStarted>("/api/turns", ask);
    } catch (error) {
      const lost = error instanceof ApiError && (error.offline || error.status === 502);
      if (!lost || attempt >= 3 || ask.kind === "temporary") throw error;
      await pause(backoffMs(attempt), never);
    }
  }
}

export const stopTurn = (turnId: string) => api.post<undefined>(`/api/turns/${turnId}/stop`);

/** What a person decides for a reply that waits in line. */
export type LineChoice = { choice: "smaller_model"; model: string } | { choice: "later" };

export const chooseInLine = (turnId: string, choice: LineChoice) =>
  api.post<undefined>(`/api/turns/${turnId}/choose`, choice);

export const turnEvents = (turnId: string, after: number) => `/api/turns/${turnId}/events?after=${after}`;
