/** The reasons a thumb can have; the server keeps them as they are named here. */
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
    "unsafe",
  ],
} as const;

export type Reason = (typeof reasonsFor)["up" | "down"][number];
