import { expect, test } from "vitest";
import { fiveMinutes } from "@/features/admin/capacity/moments";

const moment = { at: "2026-11-22T10:00:00.000Z", arrived: 1, granted: 1, refused: 0, waiting: 2, running: 3 };

test("a house that has just begun was quiet before", () => {
  const filled = fiveMinutes([moment]);
  expect(filled).toHaveLength(60);
  expect(filled.at(-1)).toEqual(moment);
  expect(filled.at(-2)).toMatchObject({ at: "2026-11-22T09:59:55.000Z", waiting: 0 });
});

test("five whole minutes stay as they are, and nothing at all is a quiet time", () => {
  const whole = Array.from({ length: 60 }, () => moment);
  expect(fiveMinutes(whole)).toEqual(whole);
  expect(fiveMinutes([], 0)).toHaveLength(60);
});
