import { expect, test } from "vitest";
import { remarkBreaks } from "@/components/chat/breaks";

test("a newline inside text becomes a break, code keeps its own", () => {
  const tree = {
    type: "root",
    children: [
      {
        type: "paragraph",
        children: [
          { type: "text", value: "one \ntwo" },
          { type: "inlineCode", value: "a\nb" },
        ],
      },
      { type: "code", value: "x\ny" },
    ],
  };
  remarkBreaks()(tree);
  expect(tree.children[0]!.children).toEqual([
    { type: "text", value: "one" },
    { type: "break" },
    { type: "text", value: "two" },
    { type: "inlineCode", value: "a\nb" },
  ]);
  expect(tree.children[1]!.value).toBe("x\ny");
});
