import { describe, expect, test } from "vitest";
import { canonicalLanguage, fileNameFor } from "@/lib/markdown/languages";
import { hasMath, withDollarMath } from "@/lib/markdown/math";
import { spoken } from "@/lib/markdown/plain";

describe("formulas", () => {
  test("money is not a formula", () => expect(hasMath("it costs $5 or $10")).toBe(false));
  test("a formula inside code is code", () => {
    expect(hasMath("```tex\n$$x$$\n```\nand `\\(y\\)`")).toBe(false);
  });
  test("brackets that models write become dollars", () => {
    expect(withDollarMath("so \\(a+b\\) and\n\\[c\\]")).toBe("so $$a+b$$ and\n\n$$\nc\n$$\n");
  });
  test("brackets inside code stay", () => {
    const text = "```sh\ngrep '\\(x\\)'\n```";
    expect(withDollarMath(text)).toBe(text);
  });
  test("a fence that is still open is code to its end", () => {
    expect(hasMath("```sh\necho $$ \\(x\\)")).toBe(false);
  });
});

describe("languages", () => {
  test("short names find their grammar", () => expect(canonicalLanguage("PY")).toBe("python"));
  test("plain text has none", () => expect(canonicalLanguage("text")).toBeNull());
  test("a file name never holds what the model wrote unasked", () => {
    expect(fileNameFor("../../etc/passwd")).toBe("code.txt");
    expect(fileNameFor("python")).toBe("code.py");
  });
});

test("what is read aloud has no marks, code or addresses", () => {
  expect(spoken("# Hi\n\nSee **this** [page](https://x.y)\n\n```py\nx=1\n```\n- one\n- two")).toBe(
    "Hi\nSee this page\none\ntwo",
  );
});
