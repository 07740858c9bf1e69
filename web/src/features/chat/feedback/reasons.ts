import type { FeedbackReason, Thumb } from "@/lib/api/types";

/** The reasons offered with each thumb, the likeliest first. */
export const reasonsFor = {
  up: ["correct", "helpful", "clear", "well_written"],
  down: [
    "incorrect",
    "not_followed",
    "incomplete",
    "unclear",
    "too_long",
    "too_short",
    "repetitive",
    "bad_code",
    "refused",
    "unsafe",
  ],
} as const satisfies Record<Thumb, readonly FeedbackReason[]>;

export type Reason = (typeof reasonsFor)["up" | "down"][number];
