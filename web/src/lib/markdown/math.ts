/** Fenced and inline code, whose dollars and brackets are not formulas. A fence still open runs to the end. */
const code = /(^|\n)(`{3,}|~{3,})[\s\S]*?(?:\n\2[^\n]*|$)|`[^`\n]+`/g;

/** The text has formulas: `$$…$$`, `\(…\)` or `\[…\]`, outside code. A fenced block of `math` counts. */
export function hasMath(text: string): boolean {
  if (!text.includes("$$") && !text.includes("\\(") && !text.includes("\\[") && !text.includes("```math"))
    return false;
  if (text.includes("```math")) return true;
  return /\$\$|\\\(|\\\[/.test(text.replace(code, ""));
}

/** `\(…\)` and `\[…\]`, which models like, as the `$$` that the parser reads; code stays as it is. */
export function withDollarMath(text: string): string {
  let out = "";
  let at = 0;
  for (const match of text.matchAll(code)) {
    out += dollars(text.slice(at, match.index)) + match[0];
    at = match.index + match[0].length;
  }
  return out + dollars(text.slice(at));
}

function dollars(text: string): string {
  return text
    .replace(/\\\[([\s\S]*?)\\\]/g, (_, inner: string) => `\n$$\n${inner.trim()}\n$$\n`)
    .replace(/\\\(([\s\S]*?)\\\)/g, (_, inner: string) => `$$${inner.trim()}$$`);
}
