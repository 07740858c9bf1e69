import { ApiError } from "@/lib/api/client";
import { explain } from "@/lib/errors";

/** Which field a refused form is wrong in, by name; `form` is what concerns the whole. */
export interface FormErrors {
  fields: Record<string, string>;
  form: string | null;
}

export const noErrors: FormErrors = { fields: {}, form: null };

/** What to say where, from a failed call: under the field the server names, else above the button. */
export function formErrors(error: unknown, names: readonly string[]): FormErrors {
  if (error === null || error === undefined) return noErrors;
  const { title, hint } = explain(error);
  const words = [title, hint].filter((part) => part !== "").join(" ");
  const param = error instanceof ApiError ? error.param : null;
  const name = names.find((each) => each === param?.split(".").at(-1));
  return name === undefined ? { fields: {}, form: words } : { fields: { [name]: words }, form: null };
}

/** Texts of a submitted form, by field name. */
export function texts(form: HTMLFormElement): Record<string, string> {
  const entries = [...new FormData(form).entries()];
  return Object.fromEntries(entries.map(([name, value]) => [name, typeof value === "string" ? value : ""]));
}
