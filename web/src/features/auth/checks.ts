import type { Key } from "@/lib/i18n";

/** What is wrong with each field before it is sent, as catalogue keys. The server has the last word. */
export type Problems = Partial<Record<"name" | "email" | "password", Key>>;

export const MIN_PASSWORD_CHARS = 8;

/** Only what a person can see at once: empty fields, no @, too short. */
export function check(fields: Record<string, string>, isNew: boolean): Problems {
  const problems: Problems = {};
  if (isNew && (fields["name"] ?? "").trim() === "") problems.name = "auth.problem.name";
  if (!/^\S+@\S+$/.test((fields["email"] ?? "").trim())) problems.email = "auth.problem.email";
  const password = fields["password"] ?? "";
  if (password === "") problems.password = "auth.problem.password";
  else if (isNew && [...password].length < MIN_PASSWORD_CHARS)
    problems.password = "auth.problem.shortPassword";
  return problems;
}
