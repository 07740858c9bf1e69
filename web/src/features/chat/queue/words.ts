import { hasNoEngine, type PlaceInLine } from "@/lib/conversation/queue";
import { t, type Key } from "@/lib/i18n";
import { formatWait } from "@/lib/waits";

/** "about 5–12 sec", where it is known. */
export function waitOf({ low_s: low, high_s: high }: PlaceInLine): string | null {
  return low === null || high === null ? null : formatWait(low, high);
}

/** The headline of the card: the place in line, or that there is nobody to answer, or that one may leave. */
export function headline(place: PlaceInLine): string {
  if (place.mode === "later") return t("chat.queue.later");
  if (hasNoEngine(place)) return t("chat.queue.away");
  return place.place === 1 ? t("chat.queue.next") : t("chat.queue.place", { place: place.place });
}

const reasons: Record<string, Key> = {
  wait_too_long: "chat.queue.reason.wait_too_long",
  not_this_hour: "chat.queue.reason.not_this_hour",
  later_only: "chat.queue.reason.later_only",
  too_many_waiting: "chat.queue.reason.too_many_waiting",
  patience_over: "chat.queue.reason.patience_over",
  no_engine: "chat.queue.reason.no_engine",
};

/** Why it is so; null where there is nothing to explain. */
export function reasonOf(place: PlaceInLine): string | null {
  if (place.mode === "waiting" && hasNoEngine(place)) return t("chat.queue.awayText");
  const key = place.reason === null ? undefined : reasons[place.reason];
  if (key !== undefined) return t(key);
  return place.mode === "later" ? t("chat.queue.laterText") : null;
}

/** What a screen reader is told. */
export function spokenPlace(place: PlaceInLine): string {
  if (place.mode === "later") return `${t("chat.queue.later")} ${reasonOf(place) ?? ""}`.trim();
  if (hasNoEngine(place)) return t("chat.queue.awayLive");
  const wait = waitOf(place);
  if (wait === null) return headline(place);
  return t("chat.queue.live", { place: headline(place), wait });
}
