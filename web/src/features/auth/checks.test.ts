import { expect, test } from "vitest";
import { check } from "@/features/auth/checks";

test("a complete form has no problems", () => {
  expect(check({ name: "Ada", email: "ada@example.org", password: "a long one" }, true)).toEqual({});
});

test("signing in asks for no name and takes a short password", () => {
  expect(check({ email: "ada@example.org", password: "old" }, false)).toEqual({});
});

test("each empty field is named", () => {
  expect(check({ name: " ", email: "", password: "" }, true)).toEqual({
    name: "auth.problem.name",
    email: "auth.problem.email",
    password: "auth.problem.password",
  });
});

test("a password is counted in characters, not in bytes", () => {
  expect(check({ name: "Ada", email: "a@b", password: "🔥🔥🔥🔥" }, true).password).toBe(
    "auth.problem.shortPassword",
  );
  expect(check({ name: "Ada", email: "a@b", password: "🔥🔥🔥🔥🔥🔥🔥🔥" }, true)).toEqual({});
});
