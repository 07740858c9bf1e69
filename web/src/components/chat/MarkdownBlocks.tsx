import { memo, useEffect, useMemo, useState } from "react";
import { Streamdown, type StreamdownProps } from "streamdown";
import { elements } from "@/components/chat/elements";
import { hardened, remarks, type MathPlugins } from "@/components/chat/markdownPlugins";
import { hasMath, withDollarMath } from "@/lib/markdown/math";

let math: MathPlugins | null = null;

/** The formula plugins, once a text needs them. */
function useMath(needed: boolean): MathPlugins | null {
  const [loaded, setLoaded] = useState(math);
  useEffect(() => {
    if (!needed || loaded !== null) return;
    let here = true;
    import("@/components/chat/mathPlugins")
      .then((module) => {
        math = module.mathPlugins;
        if (here) setLoaded(math);
      })
      .catch(() => undefined);
    return () => {
      here = false;
    };
  }, [needed, loaded]);
  return needed ? loaded : null;
}

const closed: Pick<StreamdownProps, "controls" | "linkSafety" | "lineNumbers"> = {
  controls: false,
  linkSafety: { enabled: false },
  lineNumbers: false,
};

// Their pictures and frames would be fetched from elsewhere.
const refused = [
  "picture",
  "source",
  "video",
  "audio",
  "iframe",
  "object",
  "embed",
  "form",
  "button",
  "style",
  "link",
];

/** Markdown drawn block by block: while it streams, only the last block is parsed and drawn again. */
function MarkdownBlocks({ text, streaming }: { text: string; streaming: boolean }) {
  const needsMath = useMemo(() => hasMath(text), [text]);
  const plugins = useMath(needsMath);
  const rehypePlugins = useMemo(() => hardened(plugins), [plugins]);
  const remarkPlugins = useMemo(() => remarks(plugins), [plugins]);
  return (
    <Streamdown
      {...closed}
      className="contents"
      // A text that stands still is drawn again when formulas arrive; the key makes that one clean step.
      key={plugins === null ? "plain" : "math"}
      mode={streaming ? "streaming" : "static"}
      parseIncompleteMarkdown={streaming}
      rehypePlugins={rehypePlugins}
      remarkPlugins={remarkPlugins}
      components={elements}
      disallowedElements={refused}
      unwrapDisallowed
    >
      {needsMath ? withDollarMath(text) : text}
    </Streamdown>
  );
}

export default memo(MarkdownBlocks);
