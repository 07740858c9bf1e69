import { expect, test } from "vitest";
import { ApiError } from "@/lib/api/client";
import { formErrors, noErrors, texts } from "@/lib/formErrors";

test("an error about a field is said under that field, with what to do", () => {
  const error = new ApiError(400, "bad_email", "This is not an address.", "Write it like a@b.", "email");
  expect(formErrors(error, ["name", "email"])).toEqual({
    fields: { email: "This is not an address. Write it like a@b." },
    form: null,
  });
});

test("a field inside a body is known by its last name", () => {
  const error = new ApiError(400, "bad_value", "Too long.", "", "$.email");
  expect(formErrors(error, ["email"]).fields).toEqual({ email: "Too long." });
});

test("an error about no field of this form concerns the whole form", () => {
  const error = new ApiError(409, "last_admin", "This is the last administrator.", "", "role");
  expect(formErrors(error, ["email"])).toEqual({ fields: {}, form: "This is the last administrator." });
});

test("no error says nothing", () => {
  expect(formErrors(null, ["email"])).toBe(noErrors);
});

test("a form's texts are read by field name, without files", () => {
  const form = document.createElement("form");
  form.innerHTML = '<input name="email" value="a@b"><input type="file" name="file">';
  expect(texts(form)["email"]).toBe("a@b");
});
