import { expect, test } from "vitest";
import { signUpCase } from "@/features/auth/signUpCase";

test("the first account is made whatever the mode says", () => {
  expect(signUpCase({ setup_needed: true, sign_up_mode: "closed" }, null)).toBe("first");
});

test("an invite opens the page where invites count", () => {
  expect(signUpCase({ setup_needed: false, sign_up_mode: "invite" }, "secret")).toBe("invited");
  expect(signUpCase({ setup_needed: false, sign_up_mode: "closed" }, "secret")).toBe("shut");
});

test("without an invite the mode decides", () => {
  expect(signUpCase({ setup_needed: false, sign_up_mode: "open" }, null)).toBe("open");
  expect(signUpCase({ setup_needed: false, sign_up_mode: "invite" }, null)).toBe("shut");
});
