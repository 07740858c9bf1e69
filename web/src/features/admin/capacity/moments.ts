import type { Moment } from "@/lib/api/types";

const NUM = 60;
const STEP_MS = 5000;

/** The last five minutes, also of a house that was started a moment ago: before that nothing happened. */
export function fiveMinutes(series: readonly Moment[], now: number = Date.now()): Moment[] {
  const first = series[0] === undefined ? now : new Date(series[0].at).getTime();
  const missing = Math.max(0, NUM - series.length);
  const quiet = { arrived: 0, granted: 0, refused: 0, waiting: 0, running: 0 };
  const before = Array.from({ length: missing }, (_, index) => ({
    at: new Date(first - (missing - index) * STEP_MS).toISOString(),
    ...quiet,
  }));
  return [...before, ...series];
}
