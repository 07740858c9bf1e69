import { expect, test } from "vitest";
import { formatBytes, formatPercent, t, type Key } from "@/lib/i18n";

test("names in a sentence are filled in and unknown ones stay visible", () => {
  expect(t("common.copied", { x: 1 })).toBe("Copied");
});

test("a key that is missing shows itself instead of breaking the page", () => {
  expect(t("no.such.key" as Key)).toBe("no.such.key");
});

test("figures are written as people write them", () => {
  expect(formatPercent(0.43)).toBe("43%");
  expect(formatBytes(491_400_064)).toBe("491.4 MB");
  expect(formatBytes(12)).toBe("12 byte");
});
