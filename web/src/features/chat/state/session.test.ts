import { expect, test } from "vitest";
import { SessionBook } from "@/features/chat/state/book";
import { ThreadSession } from "@/features/chat/state/session";
import type { Exchange } from "@/features/chat/state/fakeServer";
import * as fake from "@/features/chat/state/fakeServer";
import type { OpenConversation } from "@/lib/api/types";
import { textOf, type Message } from "@/lib/conversation/types";

const watcher = {
  onConversation: () => undefined,
  onTitle: () => undefined,
  onCreated: () => undefined,
  onWaiting: () => undefined,
};
const words = ["Hello", " there"];
const done: Message = {
  id: "r1",
  author: { role: "assistant" },
  parent_id: "u1",
  parts: [{ type: "text", text: "Old" }],
};

function started(reply: Message = fake.skeleton, userMessage: Message | null = fake.asked) {
  return {
    turn_id: "t1",
    conversation: fake.conversation,
    user_message: userMessage && fake.viewOf(userMessage),
    message: fake.viewOf(reply),
  };
}

/** A server that begins turns and streams `words`, and opens the conversation as `open` says. */
function server(open: () => OpenConversation = () => fake.openOf([]), reply: Message = fake.skeleton) {
  return fake.serveWith(({ method, path, query }: Exchange) => {
    if (path === "/api/turns")
      return fake.json(started(reply, reply.parent_id === "u1" ? fake.asked : null), 201);
    if (path.endsWith("/events"))
      return fake.streamOf(fake.eventsOf(words, reply), Number(query.get("after")));
    if (path === "/api/conversations/c1" && method === "GET") return fake.json(open());
    return fake.json({ ...fake.conversation });
  });
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 3000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error("it never came");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const texts = (session: ThreadSession) => session.getState().views.map((view) => textOf(view.message));
const idle = (session: ThreadSession) => Object.keys(session.getState().turns).length === 0;

test("a first message makes a conversation and its reply arrives", async () => {
  const calls = server();
  const session = new ThreadSession(null, watcher);
  await session.send("Hi", { model: null });
  await until(() => idle(session));
  expect(texts(session)).toEqual(["Hi", "Hello there"]);
  expect(session.id).toBe("c1");
  expect(calls[0]!.body).toMatchObject({ kind: "send", conversation_id: null, parent_id: null, text: "Hi" });
});

test("a lost answer is asked for again with the same request id", async () => {
  let tries = 0;
  const calls = fake.serveWith(({ path, query }) => {
    if (path !== "/api/turns") return fake.streamOf(fake.eventsOf(words), Number(query.get("after")));
    tries += 1;
    if (tries === 1) throw new TypeError("network");
    return fake.json(started(), 201);
  });
  const session = new ThreadSession(null, watcher);
  await session.send("Hi", { model: null });
  const ids = calls.filter((call) => call.path === "/api/turns").map((call) => call.body["request_id"]);
  expect(ids).toHaveLength(2);
  expect(new Set(ids).size).toBe(1);
});

test("a refused message leaves the thread as it was", async () => {
  fake.serveWith(() => fake.refuse(400, "empty_message"));
  const session = new ThreadSession(null, watcher);
  await expect(session.send("Hi", { model: null })).rejects.toMatchObject({
    code: "empty_message",
    hint: "Do this.",
  });
  expect(session.getState()).toMatchObject({ phase: "fresh", pending: null, views: [] });
});

test("an edit hides what came after and begins beside it", async () => {
  const second: Message = {
    id: "u2",
    author: { role: "user" },
    parent_id: "r1",
    parts: [{ type: "text", text: "More" }],
  };
  const calls = server(() => fake.openOf([fake.viewOf(fake.asked), fake.viewOf(done), fake.viewOf(second)]));
  const session = new ThreadSession("c1", watcher);
  await session.open();
  await session.send("Other", { parentId: null, model: "m" });
  await until(() => idle(session));
  expect(calls.find((call) => call.path === "/api/turns")!.body).toMatchObject({
    parent_id: null,
    model: "m",
  });
  expect(texts(session)).toEqual(["Hi", "Hello there"]);
});

test("a running turn is found and followed when the conversation is opened", async () => {
  const half: Message = { ...fake.skeleton, parts: [{ type: "text", text: "Hello" }] };
  const running = { turn_id: "t1", conversation_id: "c1", message_id: "r1", offset: 3 };
  const calls = server(() => fake.openOf([fake.viewOf(fake.asked), fake.viewOf(half)], [running]));
  const session = new ThreadSession("c1", watcher);
  await session.open();
  await until(() => idle(session));
  expect(texts(session)).toEqual(["Hi", "Hello there"]);
  expect(calls.find((call) => call.path.endsWith("/events"))!.query.get("after")).toBe("3");
});

test("a turn of another tab is opened; the tab's own is not opened again", async () => {
  let opened = 0;
  server(() => {
    opened += 1;
    return fake.openOf([fake.viewOf(fake.asked), fake.viewOf(done)]);
  });
  const session = new ThreadSession("c1", watcher);
  await session.open();
  const turn = { turn_id: "t9", conversation_id: "c1", message_id: "r9", offset: 0 };
  session.hear({ type: "turn", turn: { ...turn, conversation_id: "c2" } });
  session.hear({ type: "turn", turn });
  await until(() => opened === 2);
  const sending = session.send("Hi", { model: null });
  session.hear({ type: "turn", turn: { ...turn, turn_id: "t1" } });
  await sending;
  await until(() => idle(session));
  expect(opened).toBe(2);
});

test("reading the conversation again keeps the earlier messages that were loaded", async () => {
  const earlier: Message = { id: "u0", author: { role: "user" }, parts: [{ type: "text", text: "Before" }] };
  const first = { ...fake.asked, parent_id: "u0" };
  fake.serveWith(({ query }) =>
    fake.json(
      query.has("before")
        ? fake.openOf([fake.viewOf(earlier)])
        : fake.openOf([fake.viewOf(first), fake.viewOf(done)], [], true),
    ),
  );
  const session = new ThreadSession("c1", watcher);
  await session.open();
  expect(session.getState().hasEarlier).toBe(true);
  await session.loadEarlier();
  const before = session.getState().views;
  expect(texts(session)).toEqual(["Before", "Hi", "Old"]);
  await session.open();
  expect(session.getState().hasEarlier).toBe(false);
  expect(session.getState().views.map((view, at) => view === before[at])).toEqual([true, true, true]);
});

test("after a regenerate both replies are there to compare", async () => {
  const again: Message = { ...fake.skeleton, id: "r2", parent_id: "u1" };
  server(() => fake.openOf([fake.viewOf(fake.asked), fake.viewOf(done)]), again);
  const session = new ThreadSession("c1", watcher);
  await session.open();
  await session.regenerate("r1", null);
  await until(() => idle(session));
  expect(session.getState().comparison).toEqual({ before: done, afterId: "r2" });
  expect(texts(session)).toEqual(["Hi", "Hello there"]);
});

test("a temporary chat sends all it has and stores nothing", async () => {
  const calls = fake.serveWith(({ path, query, body }) => {
    if (path === "/api/turns") {
      const messages = body["messages"] as Message[];
      const reply = { ...fake.skeleton, id: `r${messages.length}`, parent_id: messages.at(-1)!.id };
      return fake.json({
        turn_id: reply.id,
        conversation: null,
        user_message: null,
        message: { message: reply, siblings: [] },
      });
    }
    return fake.streamOf(
      fake.eventsOf(words, { ...fake.skeleton, id: path.split("/")[3]! }),
      Number(query.get("after")),
    );
  });
  const session = new ThreadSession(null, watcher, true);
  await session.send("One", { model: null });
  await until(() => idle(session));
  await session.send("Two", { model: null });
  await until(() => idle(session));
  expect(texts(session)).toEqual(["One", "Hello there", "Two", "Hello there"]);
  const asks = calls.filter((call) => call.path === "/api/turns").map((call) => call.body);
  expect(asks.map((ask) => ask["kind"])).toEqual(["temporary", "temporary"]);
  expect((asks[1]!["messages"] as Message[]).map(textOf)).toEqual(["One", "Hello there", "Two"]);
  expect(session.id).toBeNull();
});

test("a new conversation keeps its session when it gets its address, and the next blank page is a new one", async () => {
  server();
  const book = new SessionBook({
    onConversation: () => undefined,
    onTitle: () => undefined,
    onWaiting: () => undefined,
  });
  const blank = book.get(null);
  await blank.send("Hi", { model: null });
  expect(book.get(null)).toBe(blank);
  expect(book.get("c1")).toBe(blank);
  expect(book.get(null)).not.toBe(blank);
  await until(() => idle(blank));
});

test("a thumb given while the conversation is read again is not overwritten by what was read", async () => {
  let answer: (response: Response) => void = () => undefined;
  const stale = {
    ...fake.openOf([fake.viewOf(fake.asked), fake.viewOf(done)]),
    thumbs: { r1: "down" as const },
  };
  fake.serveWith(() => fake.json(stale));
  const session = new ThreadSession("c1", watcher);
  await session.open();
  globalThis.fetch = () => new Promise((resolve) => (answer = resolve));
  const reading = session.open();
  session.setThumb("r1", "none");
  answer(fake.json(stale));
  await reading;
  expect(session.getState().thumbs).toEqual({});
  fake.serveWith(() => fake.json({ ...stale, thumbs: { r1: "up" } }));
  await session.open();
  expect(session.getState().thumbs).toEqual({ r1: "up" });
});

test("a turn that is listed but not known is not asked for again and again", async () => {
  const running = { turn_id: "t1", conversation_id: "c1", message_id: "r1", offset: 0 };
  const calls = fake.serveWith(({ path }) =>
    path.endsWith("/events")
      ? fake.refuse(404, "unknown_turn")
      : fake.json(fake.openOf([fake.viewOf(fake.asked), fake.viewOf(fake.skeleton)], [running])),
  );
  const session = new ThreadSession("c1", watcher);
  await session.open();
  await until(() => calls.length === 3);
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(calls.filter((call) => call.path.endsWith("/events"))).toHaveLength(1);
});

test("a place in line shows until the first word, and a choice is told to the server", async () => {
  let go: () => void = () => undefined;
  const waited = new Promise<void>((resolve) => (go = resolve));
  const frame = {
    place: 2,
    low_s: 3,
    likely_s: 5,
    high_s: 9,
    mode: "waiting",
    reason: null,
    choices: [{ kind: "later" }],
  };
  const calls = fake.serveWith(({ path }: Exchange) => {
    if (path === "/api/turns") return fake.json(started(), 201);
    if (path.endsWith("/choose")) return new Response(null, { status: 204 });
    if (path === "/api/conversations/c1")
      return fake.json(fake.openOf([fake.viewOf(fake.asked), fake.viewOf(other)]));
    const encoder = new TextEncoder();
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(encoder.encode(`event: queue\ndata: ${JSON.stringify(frame)}\n\n`));
        void waited.then(async () => {
          controller.enqueue(encoder.encode(await fake.streamOf(fake.eventsOf(words), 0).text()));
          controller.close();
        });
      },
    });
    return new Response(body);
  });
  const { status: _, ...skeleton } = fake.skeleton;
  const other: Message = { ...skeleton, model: "small", parts: [{ type: "text", text: "Hello there" }] };
  const marks: boolean[] = [];
  const session = new ThreadSession(null, { ...watcher, onWaiting: (_, waiting) => marks.push(waiting) });
  await session.send("Hi", { model: null });
  await until(() => session.getState().places["r1"] !== undefined);
  expect(session.getState().places["r1"]).toMatchObject({ place: 2, mode: "waiting" });
  await session.choose("r1", { choice: "later" });
  expect(calls.at(-1)).toMatchObject({ path: "/api/turns/t1/choose", body: { choice: "later" } });
  expect(session.getState().places["r1"]).toMatchObject({ mode: "later", choices: [] });
  go();
  await until(() => idle(session));
  expect(session.getState().places).toEqual({});
  expect(texts(session)).toEqual(["Hi", "Hello there"]);
  // Another model may have answered: the server is asked which one it was.
  await until(() => session.getState().views.at(-1)?.message.model === "small");
  expect(marks[0]).toBe(true);
  expect(marks.at(-1)).toBe(false);
});
