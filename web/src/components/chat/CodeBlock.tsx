import { Check, Copy, Download } from "lucide-react";
import { memo } from "react";
import { IconButton } from "@/components/ui/IconButton";
import { useHighlight, type Line } from "@/components/chat/useHighlight";
import { useCopy } from "@/lib/clipboard";
import { download } from "@/lib/download";
import { useT } from "@/lib/i18n";
import { fileNameFor } from "@/lib/markdown/languages";

/** A block of code with its language, colours, and buttons to take it along. */
export const CodeBlock = memo(function CodeBlock({ code, language }: { code: string; language: string }) {
  const t = useT();
  const [copied, copy] = useCopy();
  const lines = useHighlight(code, language);
  return (
    <div className="fs-code" dir="ltr">
      <div className="flex h-9 items-center justify-between ps-4 pe-1.5">
        <span className="font-mono text-xs text-ink-faint">
          {language === "" ? t("chat.code.plain") : language}
        </span>
        <span className="flex">
          <IconButton label={t("chat.code.download")} onClick={() => download(fileNameFor(language), code)}>
            <Download size={15} aria-hidden />
          </IconButton>
          <IconButton
            label={copied ? t("common.copied") : t("chat.code.copy")}
            onClick={() => void copy(code)}
          >
            {copied ? <Check size={15} aria-hidden /> : <Copy size={15} aria-hidden />}
          </IconButton>
        </span>
      </div>
      <pre
        className="scroll-quiet"
        tabIndex={0}
        aria-label={t("chat.code.label", { language: language || t("chat.code.plain") })}
      >
        <code>{lines === null ? code : lines.map((line, at) => <CodeLine key={at} line={line} />)}</code>
      </pre>
    </div>
  );
});

const CodeLine = memo(function CodeLine({ line }: { line: Line }) {
  return (
    <>
      {line.map((token, at) => (
        <span key={at} style={token.color === undefined ? undefined : { color: token.color }}>
          {token.content}
        </span>
      ))}
      {"\n"}
    </>
  );
});
