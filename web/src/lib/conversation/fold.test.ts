import { readdirSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { Fold, FoldError } from "@/lib/conversation/fold";
import type { Message, StreamEvent } from "@/lib/conversation/types";

const folder = resolve(import.meta.dirname, "../../../../tests/golden/streams");
const names = readdirSync(folder)
  .filter((file) => file.endsWith(".jsonl"))
  .map((file) => file.slice(0, -".jsonl".length));

function eventsOf(name: string): StreamEvent[] {
  const text = readFileSync(`${folder}/${name}.jsonl`, "utf8").trimEnd();
  return text.split("\n").map((line) => JSON.parse(line) as StreamEvent);
}

const skeleton: Message = { id: "m", author: { role: "assistant" }, status: "streaming" };

describe("golden streams", () => {
  test("there are some", () => expect(names.length).toBeGreaterThan(10));

  test.each(names)("%s folds into the message that Python folds it into", (name) => {
    const fold = new Fold(skeleton);
    for (const event of eventsOf(name)) fold.apply(event);
    expect(fold.message()).toEqual(JSON.parse(readFileSync(`${folder}/${name}.message.json`, "utf8")));
  });

  test.each(names)("%s folds the same when it is looked at after every event", (name) => {
    const fold = new Fold(skeleton);
    for (const event of eventsOf(name)) {
      fold.apply(event);
      fold.message();
    }
    expect(fold.message()).toEqual(JSON.parse(readFileSync(`${folder}/${name}.message.json`, "utf8")));
  });
});

describe("a stream that does not fit", () => {
  const misfits: [string, StreamEvent[]][] = [
    ["text for a part that has not begun", [{ type: "text_delta", index: 0, text: "a" }]],
    ["a part out of order", [{ type: "part_start", index: 1, part: { type: "text" } }]],
    [
      "text for a tool call",
      [
        { type: "part_start", index: 0, part: { type: "tool_call", id: "c", name: "t" } },
        { type: "text_delta", index: 0, text: "a" },
      ],
    ],
    [
      "anything after the end",
      [
        { type: "finish", reason: "stop" },
        { type: "part_start", index: 0, part: { type: "text" } },
      ],
    ],
  ];
  test.each(misfits)("%s is refused", (_, events) => {
    const fold = new Fold(skeleton);
    expect(() => events.forEach((event) => fold.apply(event))).toThrow(FoldError);
  });
});

test("a finished part keeps its identity while a later one grows", () => {
  const fold = new Fold(skeleton);
  fold.apply({ type: "part_start", index: 0, part: { type: "reasoning", text: "hm" } });
  fold.apply({ type: "part_end", index: 0 });
  fold.apply({ type: "part_start", index: 1, part: { type: "text" } });
  const before = fold.message().parts![0];
  fold.apply({ type: "text_delta", index: 1, text: "more" });
  expect(fold.message().parts![0]).toBe(before);
});
