/** Syntax colours: a chunk of its own. Grammars are fetched one by one, and no WebAssembly is needed. */
import {
  createCssVariablesTheme,
  createHighlighterCore,
  type GrammarState,
  type HighlighterCore,
} from "@shikijs/core";
import { createJavaScriptRegexEngine } from "@shikijs/engine-javascript";
import type { Line } from "@/components/chat/useHighlight";
import { grammars } from "@/components/chat/grammars";

const theme = createCssVariablesTheme({ name: "fireside", variablePrefix: "--fs-shiki-", fontStyle: false });

let core: Promise<HighlighterCore> | null = null;

function loadCore(): Promise<HighlighterCore> {
  core ??= createHighlighterCore({
    themes: [theme],
    langs: [],
    engine: createJavaScriptRegexEngine({ forgiving: true }),
  });
  return core;
}

/** A highlighter for one block of code in this language; null for a language without a grammar. */
export async function highlighterFor(language: string): Promise<LineHighlighter | null> {
  const grammar = grammars[language];
  if (grammar === undefined) return null;
  const shiki = await loadCore();
  if (!shiki.getLoadedLanguages().includes(language)) await shiki.loadLanguage(await grammar());
  return new LineHighlighter(shiki, language);
}

/** Colours code that grows at its end: lines that are complete are coloured once. */
export class LineHighlighter {
  private text = "";
  private done: Line[] = [];
  private state: GrammarState | undefined;

  constructor(
    private readonly shiki: HighlighterCore,
    private readonly language: string,
  ) {}

  lines(code: string): readonly Line[] {
    if (!code.startsWith(this.text)) {
      this.text = "";
      this.done = [];
      this.state = undefined;
    }
    const end = code.lastIndexOf("\n");
    const complete = code.slice(this.text.length, Math.max(this.text.length, end));
    if (end > this.text.length) {
      // What lies between the last complete line and this one; the leading break is already drawn.
      const fresh = this.text === "" ? complete : complete.slice(1);
      this.done = [...this.done, ...this.tokens(fresh, true)];
      this.text = code.slice(0, end);
    }
    const rest = this.text === "" ? code : code.slice(this.text.length + 1);
    return [...this.done, ...this.tokens(rest, false)];
  }

  private tokens(code: string, keep: boolean): Line[] {
    const options = {
      lang: this.language,
      theme: "fireside",
      ...(this.state ? { grammarState: this.state } : {}),
    };
    const lines = this.shiki.codeToTokensBase(code, options);
    if (keep) this.state = this.shiki.getLastGrammarState(code, options);
    return lines.map((line) =>
      line.map(({ content, color }) => (color === undefined ? { content } : { content, color })),
    );
  }
}
