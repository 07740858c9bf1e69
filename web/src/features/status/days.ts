/** What ninety days add up to. Pure, so that it is tested without a page. */
import type { DayStatus } from "@/lib/api/types";

export type DayLook = "none" | "good" | "degraded" | "down";

const MINUTES = 1440;

/** How a day is drawn: the worst of it, where it lasted more than a moment. */
export function lookOf(day: DayStatus): DayLook {
  if (day.minutes_down > 0) return "down";
  if (day.minutes_degraded > 0) return "degraded";
  return day.served + day.refused > 0 ? "good" : "none";
}

/** The share of the time in which the house answered; null where nothing was recorded. */
export function upShare(days: readonly DayStatus[]): number | null {
  const recorded = days.filter((day) => lookOf(day) !== "none");
  if (recorded.length === 0) return null;
  const down = recorded.reduce((sum, day) => sum + Math.min(MINUTES, day.minutes_down), 0);
  return 1 - down / (recorded.length * MINUTES);
}

/** A share as people read it: never rounded up to a whole that it was not. */
export function shownShare(share: number): number {
  return Math.floor(share * 10_000) / 10_000;
}
