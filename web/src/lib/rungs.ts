import { t, type Key } from "@/lib/i18n";

/** What the house gives up when there is too much demand, one after the other; each includes those before it. */
const RUNGS: readonly Key[] = [
  "common.rung.normal",
  "common.rung.no_extras",
  "common.rung.shorter",
  "common.rung.small_model",
  "common.rung.later_only",
  "common.rung.sign_ups_wait",
];

export const NUM_RUNGS = RUNGS.length;

/** What a rung holds back, in a sentence. */
export function rungText(rung: number): string {
  return t(RUNGS[Math.min(NUM_RUNGS - 1, Math.max(0, rung))]!);
}
