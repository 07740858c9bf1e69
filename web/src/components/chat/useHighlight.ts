import { useEffect, useRef, useState } from "react";
import type { LineHighlighter } from "@/components/chat/highlight";
import { canonicalLanguage } from "@/lib/markdown/languages";

export interface Token {
  content: string;
  color?: string;
}
export type Line = readonly Token[];

/** Longer than this a block stays plain: colours would cost more than they help. */
const MAX_CHARS = 120_000;

/** The lines of `code` with their colours; null while they are not known. Growing code costs only its new lines. */
export function useHighlight(code: string, language: string): readonly Line[] | null {
  const [lines, setLines] = useState<readonly Line[] | null>(null);
  const highlighter = useRef<LineHighlighter | null>(null);
  const latest = useRef(code);
  const name = canonicalLanguage(language);

  useEffect(() => {
    latest.current = code;
    if (highlighter.current !== null && code.length <= MAX_CHARS) setLines(highlighter.current.lines(code));
  }, [code]);

  useEffect(() => {
    if (name === null || latest.current.length > MAX_CHARS) return;
    let here = true;
    import("@/components/chat/highlight")
      .then((module) => module.highlighterFor(name))
      .then((made) => {
        if (!here || made === null) return;
        highlighter.current = made;
        setLines(made.lines(latest.current));
      })
      .catch(() => undefined);
    return () => {
      here = false;
      highlighter.current = null;
    };
  }, [name]);

  // Colours may be one step behind the text; the text itself never is.
  return lines !== null && joined(lines) === code ? lines : lines === null ? null : merged(lines, code);
}

function joined(lines: readonly Line[]): string {
  return lines.map((line) => line.map((token) => token.content).join("")).join("\n");
}

/** The coloured lines that still hold, and the rest of the code plain. */
function merged(lines: readonly Line[], code: string): readonly Line[] {
  return code.split("\n").map((text, at) => {
    const line = lines[at];
    const same = line !== undefined && line.map((token) => token.content).join("") === text;
    return same ? line : [{ content: text }];
  });
}
