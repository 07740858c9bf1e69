/** Formulas: a chunk of its own, fetched when a text has some. */
import "katex/dist/katex.min.css";
import rehypeKatex from "rehype-katex";
import remarkMath from "remark-math";
import type { MathPlugins } from "@/components/chat/markdownPlugins";

export const mathPlugins: MathPlugins = {
  remark: [remarkMath, { singleDollarTextMath: false }],
  rehype: [
    rehypeKatex,
    { trust: false, strict: false, throwOnError: false, maxExpand: 300, errorColor: "var(--fs-bad)" },
  ],
};
