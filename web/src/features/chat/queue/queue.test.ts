import { expect, test } from "vitest";
import { barSpanS, waitBand } from "@/features/chat/queue/waitBand";
import { headline, reasonOf, spokenPlace } from "@/features/chat/queue/words";
import { readPlaceInLine, type PlaceInLine } from "@/lib/conversation/queue";
import { formatWait } from "@/lib/waits";

const third: PlaceInLine = {
  place: 3,
  low_s: 4,
  likely_s: 7.5,
  high_s: 12,
  mode: "waiting",
  reason: null,
  choices: [],
};
const away: PlaceInLine = {
  ...third,
  place: 1,
  reason: "no_engine",
  low_s: null,
  likely_s: null,
  high_s: null,
};

test("a frame is read, and one that cannot be read is no place", () => {
  expect(readPlaceInLine(JSON.stringify(third))).toEqual(third);
  expect(readPlaceInLine('{"place":1}')).toMatchObject({ high_s: null, mode: "waiting", choices: [] });
  expect(readPlaceInLine("nonsense")).toBeNull();
  expect(readPlaceInLine("null")).toBeNull();
});

test("a wait is said as people say it", () => {
  expect(formatWait(0, 1)).toBe("any moment now");
  expect(formatWait(4.6, 12.2)).toMatch(/^about 5\s*–\s*12 sec$/);
  expect(formatWait(7.8, 8.1)).toBe("about 8 sec");
  expect(formatWait(0.2, 4)).toMatch(/^about 1\s*–\s*4 sec$/);
  expect(formatWait(33, 58)).toMatch(/^about 35\s*–\s*60 sec$/);
  expect(formatWait(10, 130)).toBe("up to 2 min");
  expect(formatWait(130, 290)).toMatch(/^about 2\s*–\s*5 min$/);
  expect(formatWait(7200, 7300)).toBe("about 2 hr");
});

test("the band lies within its bar and narrows to a sliver, never to nothing", () => {
  const span = barSpanS(third, 0);
  expect(span).toBeCloseTo(12.96);
  const band = waitBand(third, span)!;
  expect(band.start).toBeCloseTo(4 / span);
  expect(band.start + band.width).toBeLessThanOrEqual(1);
  const soon = { ...third, low_s: 1, likely_s: 1, high_s: 1.1 };
  expect(barSpanS(soon, span)).toBe(span);
  expect(waitBand(soon, span)!.width).toBe(0.03);
  expect(waitBand(away, span)).toBeNull();
});

test("the card says the place, that the model is away, or that one may leave", () => {
  expect(headline(third)).toBe("You are number 3 in line");
  expect(headline({ ...third, place: 1 })).toBe("You are next");
  expect(headline(away)).toBe("The model is away right now");
  expect(reasonOf(away)).toContain("Your question is kept");
  expect(headline({ ...away, mode: "later" })).toBe("You can leave. The answer will be here.");
  expect(spokenPlace(third)).toMatch(/^You are number 3 in line\. Expected wait: about 4/);
  expect(reasonOf({ ...third, reason: "something_new" })).toBeNull();
  const unknown = { ...third, low_s: null, likely_s: null, high_s: null };
  expect(headline(unknown)).toBe("You are number 3 in line");
  expect(spokenPlace(unknown)).toBe("You are number 3 in line");
});
