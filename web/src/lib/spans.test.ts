import { expect, test } from "vitest";
import { formatSpan } from "@/lib/spans";

test("a span is said in its two largest units", () => {
  expect(formatSpan(0.2)).toBe("0 sec");
  expect(formatSpan(59)).toBe("59 sec");
  expect(formatSpan(3600 * 5)).toBe("5 hr");
  expect(formatSpan(90)).toBe("1 min 30 sec");
  expect(formatSpan(86_400 * 3 + 3600 * 4 + 59)).toBe("3 days 4 hr");
});
