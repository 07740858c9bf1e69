/** The lists of conversations that this tab holds, kept right by what the page does and what the feed tells. */
import type { InfiniteData, QueryClient, QueryKey } from "@tanstack/react-query";
import type { ListQuery } from "@/lib/conversations/api";
import type { ConversationView, Page } from "@/lib/api/types";

export const listKey = (query: ListQuery) => ["conversations", query] as const;
export const foldersKey = ["folders"] as const;

export type Listed = InfiniteData<Page<ConversationView>, string | null>;

/** Whether a conversation belongs into a list. The plain list holds those in folders too. */
export function belongs(conversation: ConversationView, query: ListQuery): boolean {
  if (conversation.archived !== query.archived) return false;
  return query.folder_id === null || conversation.folder_id === query.folder_id;
}

/** The list without a conversation, or with it in its present state. A new one comes first. */
export function placed(list: Listed, conversation: ConversationView, query: ListQuery): Listed {
  const wanted = belongs(conversation, query);
  const known = list.pages.some((page) => page.items.some((one) => one.id === conversation.id));
  if (!wanted && !known) return list;
  const pages = list.pages.map((page, at) => {
    const items = wanted
      ? page.items.map((one) => (one.id === conversation.id ? conversation : one))
      : page.items.filter((one) => one.id !== conversation.id);
    return { ...page, items: at === 0 && wanted && !known ? [conversation, ...items] : items };
  });
  return { ...list, pages };
}

function eachList(client: QueryClient, change: (list: Listed, query: ListQuery) => Listed): void {
  for (const [key, list] of client.getQueriesData<Listed>({ queryKey: ["conversations"] })) {
    if (list !== undefined) client.setQueryData<Listed>(key, change(list, queryOf(key)));
  }
}

function queryOf(key: QueryKey): ListQuery {
  return key[1] as ListQuery;
}

/** Put a conversation as it stands now into every list it belongs to. */
export function upsert(client: QueryClient, conversation: ConversationView): void {
  eachList(client, (list, query) => placed(list, conversation, query));
}

/** Change what is listed of a conversation, as far as it is listed. */
export function retitle(client: QueryClient, id: string, title: string): void {
  eachList(client, (list) => ({
    ...list,
    pages: list.pages.map((page) => ({
      ...page,
      items: page.items.map((one) => (one.id === id ? { ...one, title } : one)),
    })),
  }));
}

/** Mark a conversation as being answered, or not any more. */
export function markRunning(client: QueryClient, id: string, turnId: string, running: boolean): void {
  eachList(client, (list) => ({
    ...list,
    pages: list.pages.map((page) => ({
      ...page,
      items: page.items.map((one) => {
        if (one.id !== id) return one;
        const others = one.running.filter((turn) => turn !== turnId);
        return { ...one, running: running ? [...others, turnId] : others };
      }),
    })),
  }));
}

/** Take a conversation out of every list. */
export function remove(client: QueryClient, id: string): void {
  eachList(client, (list) => ({
    ...list,
    pages: list.pages.map((page) => ({ ...page, items: page.items.filter((one) => one.id !== id) })),
  }));
}

/** What a listed conversation is called; empty where it is not listed or has no title. */
export function listedTitle(client: QueryClient, id: string): string {
  for (const [, list] of client.getQueriesData<Listed>({ queryKey: ["conversations"] })) {
    const found = list?.pages.flatMap((page) => page.items).find((one) => one.id === id);
    if (found !== undefined) return found.title;
  }
  return "";
}
