import type { QueryClient } from "@tanstack/react-query";
import type { FeedEvent } from "@/lib/api/types";
import { listedTitle } from "@/lib/conversations/cache";
import { t } from "@/lib/i18n";
import { recall, remember } from "@/lib/storage";

const KEY = "notify";

type Ended = Extract<FeedEvent, { type: "turn_ended" }>;

/** Conversations whose answer the person wants to be told of; kept over a reload. */
function wanted(): string[] {
  return (recall(KEY) ?? "").split(" ").filter((id) => id !== "");
}

export function isWanted(conversationId: string): boolean {
  return wanted().includes(conversationId);
}

/** Whether this browser can show notifications at all. */
export function canNotify(): boolean {
  return typeof Notification === "function";
}

/** Ask the browser for leave, which only a click may do; says whether it was given. */
export async function wantNotice(conversationId: string): Promise<boolean> {
  if (!canNotify()) return false;
  const leave =
    Notification.permission === "default" ? await Notification.requestPermission() : Notification.permission;
  if (leave !== "granted") return false;
  remember(KEY, [...wanted().filter((id) => id !== conversationId), conversationId].join(" "));
  return true;
}

/** A reply has ended: tell the person if they asked for it and look elsewhere. */
export function notifyOfEnd(client: QueryClient, { conversation_id: id }: Ended): void {
  if (id === null || !isWanted(id)) return;
  const others = wanted().filter((each) => each !== id);
  remember(KEY, others.length === 0 ? null : others.join(" "));
  if (document.visibilityState !== "hidden" || !canNotify() || Notification.permission !== "granted") return;
  void show(id, listedTitle(client, id));
}

async function show(id: string, title: string): Promise<void> {
  // The same tag in every tab of this browser: one notification, not one for each.
  const options = { body: title, tag: `fireside-${id}`, icon: "/icon-192.png", data: { path: `/c/${id}` } };
  const heading = t("chat.queue.notification");
  const worker = await navigator.serviceWorker?.getRegistration?.().catch(() => undefined);
  if (worker?.active) return worker.showNotification(heading, options);
  const shown = new Notification(heading, options);
  shown.onclick = () => {
    shown.close();
    globalThis.focus();
    if (location.pathname !== `/c/${id}`) location.assign(`/c/${id}`);
  };
}
