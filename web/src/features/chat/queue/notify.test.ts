import { QueryClient } from "@tanstack/react-query";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { isWanted, notifyOfEnd, wantNotice } from "@/features/chat/queue/notify";

const shown = vi.fn();

class FakeNotification {
  static permission: NotificationPermission = "default";
  static requestPermission = vi.fn(() => Promise.resolve(FakeNotification.permission));
  onclick = null;

  constructor(title: string, options: NotificationOptions) {
    shown(title, options.tag);
  }
}

const ended = { type: "turn_ended", turn_id: "t", conversation_id: "c1" } as const;
const client = new QueryClient();

function look(state: DocumentVisibilityState): void {
  vi.spyOn(document, "visibilityState", "get").mockReturnValue(state);
}

beforeEach(() => {
  shown.mockClear();
  localStorage.clear();
  vi.stubGlobal("Notification", FakeNotification);
  FakeNotification.permission = "granted";
});
afterEach(() => void vi.unstubAllGlobals());

test("who asked for it and looks elsewhere is told once", async () => {
  expect(await wantNotice("c1")).toBe(true);
  look("hidden");
  notifyOfEnd(client, ended);
  notifyOfEnd(client, ended);
  await vi.waitFor(() => expect(shown).toHaveBeenCalledWith("Your answer is here", "fireside-c1"));
  expect(shown).toHaveBeenCalledTimes(1);
  expect(isWanted("c1")).toBe(false);
});

test("who is looking at the page, or did not ask, is left alone", async () => {
  look("hidden");
  notifyOfEnd(client, ended);
  await wantNotice("c1");
  look("visible");
  notifyOfEnd(client, ended);
  await Promise.resolve();
  expect(shown).not.toHaveBeenCalled();
});

test("a browser that says no is taken at its word", async () => {
  FakeNotification.permission = "denied";
  expect(await wantNotice("c1")).toBe(false);
  expect(isWanted("c1")).toBe(false);
});
