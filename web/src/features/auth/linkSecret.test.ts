import { expect, test } from "vitest";
import { linkSecret } from "@/features/auth/linkSecret";

test("a link's secret is read by its name", () => {
  expect(linkSecret("invite", "#invite=aB3-_x")).toBe("aB3-_x");
});

test("a link without one has none", () => {
  expect(linkSecret("token", "")).toBeNull();
  expect(linkSecret("token", "#token=")).toBeNull();
  expect(linkSecret("token", "#invite=x")).toBeNull();
});
