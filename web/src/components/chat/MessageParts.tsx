import { Brain, FileText, Image as ImageIcon, Volume2, Wrench } from "lucide-react";
import { memo, type ReactNode } from "react";
import { Markdown } from "@/components/chat/Markdown";
import { CodePart } from "@/components/chat/CodePart";
import { useT } from "@/lib/i18n";
import type { CitationPart, Part } from "@/lib/conversation/types";

/** The parts of a reply, in order. `streaming` is true while its last part grows. */
export function MessageParts({ parts, streaming }: { parts: readonly Part[]; streaming: boolean }) {
  const citations = parts.filter((part): part is CitationPart => part.type === "citation");
  return (
    <div className="flex flex-col gap-3">
      {parts.map((part, at) => (
        <OnePart key={at} part={part} growing={streaming && at === parts.length - 1} />
      ))}
      {citations.length > 0 && <Citations citations={citations} />}
    </div>
  );
}

const OnePart = memo(function OnePart({ part, growing }: { part: Part; growing: boolean }) {
  const t = useT();
  switch (part.type) {
    case "text":
      return <Markdown text={part.text ?? ""} streaming={growing} />;
    case "reasoning":
      return (
        <Folded
          icon={<Brain size={15} aria-hidden />}
          label={growing ? t("chat.reply.thinking") : t("chat.reply.thought")}
        >
          <Markdown text={part.text ?? ""} streaming={growing} />
        </Folded>
      );
    case "code":
      return <CodePart language={part.language ?? ""} source={part.source ?? ""} />;
    case "tool_call":
      return (
        <Folded icon={<Wrench size={15} aria-hidden />} label={t("chat.reply.tool", { name: part.name })}>
          <CodePart language="json" source={part.arguments ?? ""} />
        </Folded>
      );
    case "tool_result": {
      const said = [part.text, part.stdout, part.stderr, part.error?.message].filter(Boolean).join("\n");
      return (
        <Folded
          icon={<Wrench size={15} aria-hidden />}
          label={t("chat.reply.toolResult", { name: part.name ?? "" })}
        >
          <CodePart language="text" source={said} />
        </Folded>
      );
    }
    case "image":
      return (
        <Named icon={<ImageIcon size={15} aria-hidden />}>
          {t("chat.reply.image", { alt: part.alt ?? "" })}
        </Named>
      );
    case "audio":
      return (
        <Named icon={<Volume2 size={15} aria-hidden />}>{part.transcript || t("chat.reply.audio")}</Named>
      );
    case "file":
      return (
        <Named icon={<FileText size={15} aria-hidden />}>
          {t("chat.reply.file", { name: part.name ?? "" })}
        </Named>
      );
    case "citation":
      return null;
    default:
      return part satisfies never;
  }
});

function Folded({ icon, label, children }: { icon: ReactNode; label: string; children: ReactNode }) {
  return (
    <details className="group rounded-xl border bg-surface text-sm text-ink-soft">
      <summary className="flex list-none items-center gap-2 rounded-xl px-3 py-2 select-none hover:text-ink">
        {icon}
        {label}
      </summary>
      <div className="px-3 pb-3">{children}</div>
    </details>
  );
}

function Named({ icon, children }: { icon: ReactNode; children: ReactNode }) {
  return (
    <p className="flex w-fit items-center gap-2 rounded-xl border bg-surface px-3 py-2 text-sm text-ink-soft">
      {icon}
      {children}
    </p>
  );
}

/** Only addresses of the open web become links. */
function safeHref(url: string | undefined): string | null {
  return url !== undefined && /^https?:\/\//i.test(url) ? url : null;
}

function Citations({ citations }: { citations: readonly CitationPart[] }) {
  const t = useT();
  return (
    <aside aria-label={t("chat.reply.sources")} className="text-sm">
      <p className="font-medium text-ink-soft">{t("chat.reply.sources")}</p>
      <ol className="mt-1 list-decimal ps-5 text-ink-faint">
        {citations.map((one, at) => {
          const href = safeHref(one.url);
          const label = one.title || one.url || one.source_id;
          return (
            <li key={at}>
              {href === null ? (
                label
              ) : (
                <a
                  href={href}
                  target="_blank"
                  rel="noopener noreferrer nofollow"
                  className="text-ember underline underline-offset-2"
                >
                  {label}
                </a>
              )}
            </li>
          );
        })}
      </ol>
    </aside>
  );
}
