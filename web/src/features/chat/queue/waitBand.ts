import type { PlaceInLine } from "@/lib/conversation/queue";

/** Where the expected wait lies on its bar, in shares of the bar's width; the left edge is "now". */
export interface WaitBand {
  start: number;
  width: number;
  likely: number;
}

/** The narrowest band that is still seen. */
const LEAST = 0.03;

/** The band of a wait on a bar that is `spanS` long. */
export function waitBand(place: PlaceInLine, spanS: number): WaitBand | null {
  const { low_s: low, likely_s: likely, high_s: high } = place;
  if (low === null || high === null || !(spanS > 0)) return null;
  const share = (seconds: number) => Math.min(1, Math.max(0, seconds / spanS));
  const width = Math.max(LEAST, share(high) - share(low));
  const start = Math.min(share(low), 1 - width);
  const middle = share(likely ?? (low + high) / 2);
  return { start, width, likely: Math.min(start + width, Math.max(start, middle)) };
}

/** How long the bar is: a little more than the longest wait that was expected so far, so that it never grows less. */
export function barSpanS(place: PlaceInLine, beforeS: number): number {
  return Math.max(beforeS, (place.high_s ?? 0) * 1.08);
}
