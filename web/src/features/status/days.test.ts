import { expect, test } from "vitest";
import { lookOf, shownShare, upShare } from "@/features/status/days";

const day = (change: object = {}) => ({
  date: "2026-11-22",
  served: 10,
  refused: 0,
  minutes_down: 0,
  minutes_degraded: 0,
  ...change,
});

test("a day looks like the worst of it", () => {
  expect(lookOf(day())).toBe("good");
  expect(lookOf(day({ served: 0 }))).toBe("none");
  expect(lookOf(day({ minutes_degraded: 3 }))).toBe("degraded");
  expect(lookOf(day({ minutes_degraded: 3, minutes_down: 1, served: 0 }))).toBe("down");
});

test("days without a record do not count as days without fault", () => {
  expect(upShare([day({ served: 0 })])).toBeNull();
  expect(upShare([day({ served: 0 }), day({ minutes_down: 144 })])).toBeCloseTo(0.9);
  expect(upShare([day({ minutes_down: 9999 })])).toBe(0);
});

test("a share is not rounded up to all of the time", () => {
  expect(shownShare(0.99999)).toBe(0.9999);
  expect(shownShare(1)).toBe(1);
});
