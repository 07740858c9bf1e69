import { expect, test } from "vitest";
import { chunksOf } from "@/features/chat/thread/chunks";
import type { MessageView } from "@/lib/api/types";
import { newId } from "@/lib/ids";

const views: MessageView[] = Array.from({ length: 300 }, (_, at) => {
  const id = newId(at);
  return { message: { id, author: { role: "user" } }, siblings: [id] };
});

test("chunks hold every message once, in order", () => {
  expect(chunksOf(views).flatMap((chunk) => chunk.views)).toEqual(views);
  expect(chunksOf([])).toEqual([]);
});

test("messages put above or below change only the chunk they touch", () => {
  const inner = chunksOf(views.slice(100, 200));
  const outer = chunksOf(views);
  const kept = inner
    .slice(1, -1)
    .filter((chunk) =>
      outer.some((other) => other.key === chunk.key && other.views.length === chunk.views.length),
    );
  expect(kept.length).toBe(inner.length - 2);
});
