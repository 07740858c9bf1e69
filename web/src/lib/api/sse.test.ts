import { expect, test } from "vitest";
import { backoffMs, FrameParser } from "@/lib/api/sse";

const stream = ': keep\r\n\r\nid: 1\ndata: {"a":1}\n\nid: 2\r\ndata: x\r\ndata: y\r\n\r\ndata:z\n\n';
const frames = [
  { id: "1", data: '{"a":1}' },
  { id: "2", data: "x\ny" },
  { id: null, data: "z" },
];

test("a stream in one piece gives its events", () => {
  expect(new FrameParser().push(stream)).toEqual(frames);
});

test("cutting the stream anywhere changes nothing", () => {
  for (let size = 1; size < 7; size++) {
    const parser = new FrameParser();
    const seen = [];
    for (let at = 0; at < stream.length; at += size) seen.push(...parser.push(stream.slice(at, at + size)));
    expect(seen).toEqual(frames);
  }
});

test("a named event says its name, and the next one has none", () => {
  expect(new FrameParser().push("event: queue\ndata: {}\n\nid: 1\ndata: a\n\n")).toEqual([
    { id: null, data: "{}", event: "queue" },
    { id: "1", data: "a" },
  ]);
});

test("an event whose end never came is not given", () => {
  expect(new FrameParser().push("id: 3\ndata: half")).toEqual([]);
});

test("waiting grows and stays within eight seconds", () => {
  expect(backoffMs(0, () => 0)).toBe(125);
  expect(backoffMs(3, () => 1)).toBe(2000);
  expect(backoffMs(40, () => 1)).toBe(8000);
});
