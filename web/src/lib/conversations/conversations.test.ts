import { QueryClient } from "@tanstack/react-query";
import { expect, test } from "vitest";
import type { ConversationView } from "@/lib/api/types";
import { listKey, remove, retitle, upsert, type Listed } from "@/lib/conversations/cache";
import { grouped } from "@/lib/conversations/grouping";

function conversation(id: string, change: Partial<ConversationView> = {}): ConversationView {
  return {
    id,
    title: id,
    model: null,
    settings: { instructions: "" },
    head: null,
    created_at: "2026-11-01T10:00:00Z",
    updated_at: "2026-11-01T10:00:00Z",
    archived: false,
    pinned: false,
    folder_id: null,
    share_slug: null,
    running: [],
    ...change,
  };
}

const plain = { archived: false, folder_id: null };
const folder = { archived: false, folder_id: "f" };
const archive = { archived: true, folder_id: null };

function client() {
  const made = new QueryClient();
  const page = (items: ConversationView[]): Listed => ({
    pages: [{ items, next_cursor: null }],
    pageParams: [null],
  });
  made.setQueryData(listKey(plain), page([conversation("a"), conversation("b", { folder_id: "f" })]));
  made.setQueryData(listKey(folder), page([conversation("b", { folder_id: "f" })]));
  made.setQueryData(listKey(archive), page([]));
  const ids = (query: typeof plain | typeof folder) =>
    made.getQueryData<Listed>(listKey(query))!.pages.flatMap((one) => one.items.map((item) => item.id));
  return { made, ids };
}

test("a new conversation comes first in the lists it belongs to", () => {
  const { made, ids } = client();
  upsert(made, conversation("c"));
  expect(ids(plain)).toEqual(["c", "a", "b"]);
  expect(ids(folder)).toEqual(["b"]);
});

test("archiving moves a conversation from one list to the other", () => {
  const { made, ids } = client();
  upsert(made, conversation("a", { archived: true }));
  expect(ids(plain)).toEqual(["b"]);
  expect(ids(archive)).toEqual(["a"]);
});

test("moving into a folder shows it there", () => {
  const { made, ids } = client();
  upsert(made, conversation("a", { folder_id: "f" }));
  expect(ids(folder)).toEqual(["a", "b"]);
});

test("a title and a deletion reach every list", () => {
  const { made, ids } = client();
  retitle(made, "b", "new");
  expect(made.getQueryData<Listed>(listKey(folder))!.pages[0]!.items[0]!.title).toBe("new");
  remove(made, "b");
  expect(ids(plain)).toEqual(["a"]);
  expect(ids(folder)).toEqual([]);
});

test("conversations stand under their day, pinned ones above all", () => {
  const now = new Date(2026, 10, 22, 12);
  const at = (days: number) => new Date(2026, 10, 22 - days, 9).toISOString();
  const groups = grouped(
    [
      conversation("old", { updated_at: at(60) }),
      conversation("now", { updated_at: at(0) }),
      conversation("pin", { updated_at: at(40), pinned: true }),
      conversation("yesterday", { updated_at: at(1) }),
      conversation("week", { updated_at: at(5) }),
    ],
    now,
  );
  expect(groups.map((group) => group.name)).toEqual(["pinned", "today", "yesterday", "week", "2026-09"]);
});
