// A server for working on the page alone: everything in memory, one person, replies from a script.
// `node dev/mock-server.mjs [port]` serves dist/ with the real headers; nothing here is shipped.
import { createServer } from "node:http";
import { randomUUID } from "node:crypto";
import { readFileSync, existsSync } from "node:fs";
import { extname, join } from "node:path";

const port = Number(process.argv[2] ?? 8080);
const dist = join(import.meta.dirname, "../dist");
const now = () => new Date().toISOString();
const preferences = { theme: "system", language: "en", custom_instructions: { about: "", style: "", enabled: true }, improve_model: false, default_model: null };
const me = { id: randomUUID(), email: "ada@example.org", name: "Ada Lovelace", role: "admin", created_at: now(), preferences };
let signedIn = true;
const conversations = new Map();
const turns = new Map();
const requests = new Map();
const folders = [];
const feeds = new Set();
const models = { default: "small", models: [
  { name: "small", title: "Ember 0.5B", description: "Quick and small.", context_tokens: 8192, capabilities: ["chat"], ready: true, engine: "embedded" },
  { name: "large", title: "Hearth 7B", description: "Slower, knows more.", context_tokens: 32768, capabilities: ["chat"], ready: true, engine: "embedded" },
], preparing: process.env.PREPARING ? [{ name: "large", progress: 0.43, state: "downloading" }] : [] };

const demo = readFileSync(join(import.meta.dirname, "demo-reply.md"), "utf8");
const tell = (event) => feeds.forEach((res) => res.write(`data: ${JSON.stringify(event)}\n\n`));
let clock = 0;
const newId = () => randomUUID().replace(/^.{8}-.{4}/, (Date.now() * 1000 + (clock++ % 1000)).toString(16).padStart(12, "0").slice(-12).replace(/^(.{8})/, "$1-"));

function view(c) { const { messages, thumbs, ...rest } = c; return { ...rest, running: [...turns.values()].filter((t) => t.conversation === c && !t.done).map((t) => t.id) }; }
function add(title) { const c = { id: newId(), title, model: null, settings: {}, head: null, created_at: now(), updated_at: now(), archived: false, pinned: false, folder_id: null, share_slug: null, messages: new Map(), thumbs: {} }; conversations.set(c.id, c); return c; }
function put(c, role, text, parent, more = {}) { const m = { id: newId(), author: { role }, ...(text === null ? {} : { parts: [{ type: "text", text }] }), ...(parent ? { parent_id: parent } : {}), created_at: now(), ...more }; c.messages.set(m.id, m); c.head = m.id; c.updated_at = now(); return m; }
const siblings = (c, m) => [...c.messages.values()].filter((o) => o.parent_id === m.parent_id).map((o) => o.id);
function path(c, head) { const line = []; for (let at = c.messages.get(head); at; at = c.messages.get(at.parent_id)) line.unshift(at); return line; }
function leaf(c, id) { for (;;) { const below = [...c.messages.values()].filter((m) => m.parent_id === id); if (!below.length) return id; id = below.at(-1).id; } }

function run(conversation, message, text, title) {
  const turn = { id: newId(), conversation, message, events: [{ type: "message_start", message: { ...message } }], readers: new Set(), done: false };
  turns.set(turn.id, turn);
  const emit = (event) => { turn.events.push(event); turn.readers.forEach((r) => r()); };
  const start = message.parts?.length ?? 0;
  emit({ type: "part_start", index: start, part: { type: "text" } });
  let said = "";
  const pieces = text.match(/\s*\S+/g) ?? [];
  turn.finish = (reason) => { if (turn.done) return; turn.done = true; clearInterval(timer); message.parts = [...(message.parts ?? []), { type: "text", text: said }]; message.finish_reason = reason; if (reason === "abort") message.status = "interrupted"; else delete message.status; emit({ type: "finish", reason }); if (conversation) { tell({ type: "turn_ended", turn_id: turn.id, conversation_id: conversation.id }); if (title) { conversation.title = title; tell({ type: "title", conversation_id: conversation.id, title }); } } };
  const timer = setInterval(() => { const piece = pieces.shift(); if (piece === undefined) return turn.finish("stop"); said += piece; emit({ type: "text_delta", index: start, text: piece }); }, Number(process.env.TOKEN_MS ?? 25));
  if (conversation) setTimeout(() => tell({ type: "turn", turn: { turn_id: turn.id, conversation_id: conversation.id, message_id: message.id, offset: 0 } }));
  return turn;
}
const replyTo = (text) => (/long/.test(text) ? demo.repeat(3) : /short/.test(text) ? "A short reply: yes." : demo);
function startTurn(ask) {
  if (requests.has(ask.request_id)) return requests.get(ask.request_id);
  let result;
  const skeleton = (m) => ({ ...m, status: "streaming", model: ask.model ?? "small", release: "r1" });
  if (ask.kind === "temporary") {
    const message = skeleton({ id: newId(), author: { role: "assistant" }, parent_id: ask.messages.at(-1).id, created_at: now() });
    const turn = run(null, message, demo);
    return { turn_id: turn.id, conversation: null, user_message: null, message: { message: turn.events[0].message, siblings: [message.id] } };
  }
  const fresh = ask.conversation_id === null;
  const c = fresh ? add(ask.text.slice(0, 40)) : conversations.get(ask.conversation_id);
  if (fresh && ask.folder_id) c.folder_id = ask.folder_id;
  const user = ask.kind === "send" ? put(c, "user", ask.text, ask.parent_id) : null;
  const old = ask.message_id ? c.messages.get(ask.message_id) : null;
  let message;
  if (ask.kind === "continue") { message = old; message.status = "streaming"; delete message.finish_reason; } else { message = put(c, "assistant", null, user ? user.id : old.parent_id); Object.assign(message, skeleton(message)); }
  const turn = run(c, message, replyTo(ask.text ?? ""), fresh ? "A fireside talk" : null);
  const wrap = (m) => ({ message: { ...m }, siblings: siblings(c, m) });
  result = { turn_id: turn.id, conversation: view(c), user_message: user && wrap(user), message: { message: turn.events[0].message, siblings: siblings(c, message) } };
  tell({ type: "conversation", conversation: view(c) });
  requests.set(ask.request_id, result);
  return result;
}
function open(c, query) {
  const head = query.get("head") ?? c.head;
  let line = head ? path(c, head) : [];
  const before = query.get("before");
  if (before) line = line.slice(0, line.findIndex((m) => m.id === before));
  const limit = Number(query.get("limit") ?? 50);
  const window = line.slice(-limit);
  const running = [...turns.values()].filter((t) => t.conversation === c && !t.done);
  const live = (m) => { const t = running.find((r) => r.message === m); if (!t) return m; const text = t.events.filter((e) => e.type === "text_delta").map((e) => e.text).join(""); return { ...t.events[0].message, parts: [...(t.events[0].message.parts ?? []), { type: "text", text }] }; };
  return { conversation: view(c), messages: window.map((m) => ({ message: live(m), siblings: siblings(c, m) })), has_earlier: line.length > window.length, turns: running.map((t) => ({ turn_id: t.id, conversation_id: c.id, message_id: t.message.id, offset: t.events.length })), thumbs: c.thumbs };
}

// Something to look at: a year of conversations, and one of ten thousand messages.
for (let i = 0; i < 140; i++) { const c = add(["Bread without kneading", "Why the sky is blue", "Sorting in Rust", "A letter to the landlord", "Trip to Lisbon", "Regex for dates"][i % 6] + (i > 5 ? ` ${i}` : "")); c.updated_at = new Date(Date.now() - i * i * 3.6e6).toISOString(); const u = put(c, "user", "Tell me more", null); put(c, "assistant", "Gladly.", u.id, { model: "small" }); c.updated_at = new Date(Date.now() - i * i * 3.6e6).toISOString(); if (i === 3) c.pinned = true; }
const big = add("Ten thousand messages");
{ let parent = null; for (let i = 0; i < 5000; i++) { parent = put(big, "user", `Question ${i}: what is ${i} squared, and why does it matter?`, parent).id; parent = put(big, "assistant", `**${i * i}** is the square of ${i}.\n\n- It is a number\n- It has \`${String(i * i).length}\` digits\n\n` + (i % 5 ? "Some more words to fill a line or two, so that heights differ from one to the next.\n".repeat(i % 4) : "```python\nprint(" + i + " ** 2)\n```"), parent, { model: "small" }).id; } }

const json = (res, status, body) => { res.writeHead(status, { "content-type": "application/json" }); res.end(body === undefined ? "" : JSON.stringify(body)); };
const fail = (res, status, code, message, hint = "") => json(res, status, { error: { message, type: "error", param: null, code, hint } });

async function handle(req, res) {
  const url = new URL(req.url, "http://x");
  const { pathname: p, searchParams: q } = url;
  let body = ""; for await (const chunk of req) body += chunk;
  const data = body && req.headers["content-type"]?.includes("json") && !p.includes("import") ? JSON.parse(body) : {};
  const m = req.method;
  if (p === "/api/bootstrap") return json(res, 200, { setup_needed: false, sign_up_mode: "open", instance_name: "Fireside", version: "0.1.0", user: signedIn ? me : null });
  if (p === "/api/auth/sign-out") { signedIn = false; return json(res, 204); }
  if (p.startsWith("/api/auth/")) { signedIn = true; return json(res, 200, me); }
  if (p === "/api/me") { Object.assign(me, data); return json(res, 200, me); }
  if (p === "/api/models") return json(res, 200, models);
  if (p === "/api/folders" && m === "GET") return json(res, 200, folders);
  if (p === "/api/folders") { folders.push({ id: newId(), name: data.name, created_at: now() }); return json(res, 201, folders.at(-1)); }
  if (p.startsWith("/api/folders/")) { const at = folders.findIndex((f) => p.endsWith(f.id)); if (m === "DELETE") { folders.splice(at, 1); return json(res, 204); } Object.assign(folders[at], data); return json(res, 200, folders[at]); }
  if (p === "/api/feed") { res.writeHead(200, { "content-type": "text/event-stream" }); res.write('data: {"type":"resync"}\n\n'); feeds.add(res); res.on("close", () => feeds.delete(res)); return; }
  if (p === "/api/feedback") { console.log("feedback", data); if (data.kind === "thumb") conversations.get(data.conversation_id).thumbs[data.message_id] = data.thumb; return json(res, 201, { id: newId() }); }
  if (p === "/api/search") { const words = (q.get("q") ?? "").toLowerCase(); const items = [...conversations.values()].filter((c) => c.title.toLowerCase().includes(words)).slice(0, 20).map((c) => ({ conversation_id: c.id, title: c.title, message_id: c.head, snippet: [{ text: "… it was about ", hit: false }, { text: words, hit: true }, { text: " and more", hit: false }], at: c.updated_at })); return json(res, 200, { items, next_cursor: null }); }
  if (p === "/api/import") return json(res, 200, { num_imported: 3, num_skipped: 1, problems: [{ title: "x", reason: "it has no messages" }] });
  if (p.startsWith("/api/shared/")) { const c = [...conversations.values()].find((o) => o.share_slug && p.endsWith(o.share_slug)); return c ? json(res, 200, { title: c.title, created_at: now(), messages: path(c, c.head) }) : fail(res, 404, "not_found", ""); }
  if (p === "/api/conversations") { const at = Number(q.get("cursor") ?? 0); const all = [...conversations.values()].filter((c) => !c.deleted && String(c.archived) === (q.get("archived") ?? "false") && (!q.get("folder_id") || c.folder_id === q.get("folder_id"))).sort((a, b) => b.pinned - a.pinned || b.updated_at.localeCompare(a.updated_at)); return json(res, 200, { items: all.slice(at, at + 50).map(view), next_cursor: at + 50 < all.length ? String(at + 50) : null }); }
  let found;
  if ((found = /^\/api\/conversations\/([^/]+)(?:\/(\w+))?$/.exec(p))) {
    const c = conversations.get(found[1]);
    if (!c || (c.deleted && found[2] !== "restore")) return fail(res, 404, "conversation_not_found", "This conversation does not exist.");
    if (found[2] === "share") { c.share_slug = m === "POST" ? randomUUID().slice(0, 8) : null; return m === "POST" ? json(res, 201, { slug: c.share_slug, created_at: now(), title: c.title }) : json(res, 204); }
    if (found[2] === "restore") { c.deleted = false; return json(res, 200, view(c)); }
    if (m === "GET") return json(res, 200, open(c, q));
    if (m === "DELETE") { c.deleted = true; tell({ type: "conversation_deleted", id: c.id }); return json(res, 204); }
    if (data.head) data.head = leaf(c, data.head);
    Object.assign(c, data); tell({ type: "conversation", conversation: view(c) }); return json(res, 200, view(c));
  }
  if (p === "/api/turns") { await new Promise((r) => setTimeout(r, 60)); if (data.text?.includes("fail to send")) return fail(res, 503, "no_engine", "No model is ready.", "Wait a moment, then send it again."); return json(res, 201, startTurn(data)); }
  if ((found = /^\/api\/turns\/([^/]+)\/(\w+)$/.exec(p))) {
    const turn = turns.get(found[1]);
    if (!turn) return fail(res, 404, "turn_not_found", "This turn does not exist.");
    if (found[2] === "stop") { turn.finish("abort"); return json(res, 204); }
    let at = Number(q.get("after") ?? 0);
    res.writeHead(200, { "content-type": "text/event-stream" });
    const send = () => { for (; at < turn.events.length; at++) { if (process.env.CUT && at % 40 === 39 && Math.random() < 0.5) { res.destroy(); turn.readers.delete(send); return; } res.write(`id: ${at + 1}\ndata: ${JSON.stringify(turn.events[at])}\n\n`); } if (turn.done) res.end(); };
    turn.readers.add(send); res.on("close", () => turn.readers.delete(send)); send(); return;
  }
  if (p.startsWith("/api/")) return fail(res, 404, "no_such_route", "There is nothing at this address.");
  const types = { ".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".svg": "image/svg+xml", ".woff2": "font/woff2", ".png": "image/png", ".webmanifest": "application/manifest+json" };
  const file = existsSync(join(dist, p)) && extname(p) ? join(dist, p) : join(dist, "index.html");
  res.writeHead(200, { "content-type": types[extname(file)] ?? "application/octet-stream", "content-security-policy": "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; object-src 'none'" });
  res.end(readFileSync(file));
}
createServer((req, res) => handle(req, res).catch((error) => { console.error(error); res.destroy(); })).listen(port, "127.0.0.1", () => console.log(`http://127.0.0.1:${port}`));
