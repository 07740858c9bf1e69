import type { ReactNode } from "react";
import { cx } from "@/lib/cx";

const looks = {
  plain: "bg-sunken text-ink-soft",
  ember: "bg-ember-soft text-ink",
  good: "bg-sunken text-good",
  bad: "bg-bad-soft text-bad",
} as const;

/** A word about a thing: its state or kind. */
export function Badge({ look = "plain", children }: { look?: keyof typeof looks; children: ReactNode }) {
  return (
    <span
      className={cx(
        "inline-flex shrink-0 items-center gap-1.5 rounded-full px-2 py-0.5 text-xs font-medium whitespace-nowrap",
        looks[look],
      )}
    >
      {children}
    </span>
  );
}
