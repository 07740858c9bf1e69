import { expect, test } from "vitest";
import { follow, type Outcome } from "@/features/chat/state/follow";
import { eventsOf, json, refuse, serveWith, skeleton, streamOf } from "@/features/chat/state/fakeServer";
import { textOf, type Message } from "@/lib/conversation/types";

const words = ["One", " two", " three", " four", " five"];
const events = eventsOf(words);

interface Seen {
  outcome: Outcome;
  texts: string[];
  places: (number | null)[];
  message: Message;
}

async function run(message: Message = skeleton, after = 0): Promise<Seen> {
  const texts: string[] = [];
  const places: (number | null)[] = [];
  let last = message;
  const outcome = await follow({
    turnId: "t1",
    message,
    after,
    signal: new AbortController().signal,
    onGrowth: (fold) => {
      last = fold.message();
      texts.push(textOf(last));
    },
    onTitle: () => undefined,
    onPlace: (place) => places.push(place?.place ?? null),
    onConnection: () => undefined,
  });
  return { outcome, texts, places, message: last };
}

test("a stream is read to its end", async () => {
  serveWith(({ query }) => streamOf(events, Number(query.get("after"))));
  const { outcome, message } = await run();
  expect(outcome).toBe("ended");
  expect(textOf(message)).toBe("One two three four five");
});

test("a stream cut at any event goes on where it was, with nothing lost or said twice", async () => {
  for (let cut = 1; cut <= events.length; cut++) {
    let first = true;
    const calls = serveWith(({ query }) => {
      const response = streamOf(events, Number(query.get("after")), first ? cut : undefined);
      first = false;
      return response;
    });
    const { outcome, message } = await run();
    expect(outcome).toBe("ended");
    expect(textOf(message)).toBe("One two three four five");
    expect(calls.map((call) => call.query.get("after"))).toEqual(["0", String(cut - 1)]);
  }
});

test("a server that is away for a while is waited for", async () => {
  let tries = 0;
  serveWith(({ query }) => {
    tries += 1;
    if (tries === 1) return streamOf(events, 0, 4);
    if (tries === 2) throw new TypeError("network");
    if (tries === 3) return refuse(503, "starting");
    return streamOf(events, Number(query.get("after")));
  });
  expect(textOf((await run()).message)).toBe("One two three four five");
});

test("events that come again are skipped", async () => {
  let tries = 0;
  serveWith(() => streamOf(events, 0, tries++ === 0 ? 5 : undefined));
  expect(textOf((await run()).message)).toBe("One two three four five");
});

test("a reply that was opened in the middle goes on after what it holds", async () => {
  const half: Message = { ...skeleton, parts: [{ type: "text", text: "One two" }] };
  const calls = serveWith(({ query }) => streamOf(events, Number(query.get("after"))));
  const { texts } = await run(half, 4);
  expect(calls[0]!.query.get("after")).toBe("4");
  expect(texts[0]).toBe("One two three");
  expect(texts.at(-1)).toBe("One two three four five");
});

test("a snapshot replaces what is held when the journal is gone", async () => {
  const whole: Message = { ...skeleton, parts: [{ type: "text", text: "All of it." }] };
  const { status: _, ...ended } = whole;
  serveWith(
    () =>
      json({}) && new Response(`id: 9\ndata: ${JSON.stringify({ type: "snapshot", message: ended })}\n\n`),
  );
  const { outcome, message } = await run({ ...skeleton, parts: [{ type: "text", text: "All" }] }, 3);
  expect(outcome).toBe("ended");
  expect(textOf(message)).toBe("All of it.");
});

test("what does not fit is read again from the first event", async () => {
  const wrong: Message = { ...skeleton, parts: [] };
  const calls = serveWith(({ query }) => streamOf(events, Number(query.get("after"))));
  const { message } = await run(wrong, 4);
  expect(calls.map((call) => call.query.get("after"))).toEqual(["4", "0"]);
  expect(textOf(message)).toBe("One two three four five");
});

test("a turn that the server does not know any more is given up", async () => {
  serveWith(() => refuse(404, "unknown_turn"));
  expect((await run()).outcome).toBe("unknown");
});

test("frames of the line are told and count as no event of the reply", async () => {
  const frame = (place: number) =>
    `event: queue\ndata: {"place":${place},"low_s":1,"likely_s":2,"high_s":3,"mode":"waiting","choices":[]}\n\n`;
  let first = true;
  const calls = serveWith(({ query }) => {
    const after = Number(query.get("after"));
    // The connection breaks while it waits; the next one begins with the line again.
    if (first) {
      first = false;
      return new Response(frame(3) + frame(2));
    }
    return new Response(frame(1) + `event: odd\ndata: not json\n\n` + wholeFrames(after));
  });
  const { outcome, places, message } = await run();
  expect(outcome).toBe("ended");
  expect(textOf(message)).toBe("One two three four five");
  expect(calls.map((call) => call.query.get("after"))).toEqual(["0", "0"]);
  expect(places.slice(0, 4)).toEqual([3, 2, 1, null]);
  expect(places.slice(3).every((place) => place === null)).toBe(true);
});

test("the skeleton of a reply does not end its waiting", async () => {
  const frame = `event: queue\ndata: {"place":2,"mode":"waiting","choices":[]}\n\n`;
  const start = `id: 1\ndata: ${JSON.stringify(events[0])}\n\n`;
  serveWith(() => new Response(frame + start + frame + wholeFrames(1)));
  expect((await run()).places.slice(0, 3)).toEqual([2, 2, null]);
});

function wholeFrames(after: number): string {
  return events
    .map((event, at) => `id: ${at + 1}\ndata: ${JSON.stringify(event)}\n\n`)
    .slice(after)
    .join("");
}
