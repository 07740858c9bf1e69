import { CodeXml, Lightbulb, ListChecks, PenLine } from "lucide-react";
import { attempt, useThread } from "@/features/chat/actions";
import { Mark } from "@/components/ui/Mark";
import { useT } from "@/lib/i18n";
import { useMe } from "@/lib/session";

/** A word of welcome above the empty composer. */
export function Greeting({ temporary }: { temporary: boolean }) {
  const t = useT();
  const me = useMe();
  const hour = new Date().getHours();
  const part = hour < 5 ? "night" : hour < 12 ? "morning" : hour < 18 ? "afternoon" : "evening";
  const name = me?.name.split(" ")[0] ?? "";
  return (
    <div className="flex flex-col items-center px-6 pb-8 text-center">
      <Mark className="mb-4 size-11 text-ember" />
      <h1 className="font-display text-[2rem] leading-tight tracking-tight text-balance sm:text-[2.5rem]">
        {temporary ? t("chat.temporary.title") : t(`chat.greeting.${part}`, { name })}
      </h1>
      {temporary && <p className="mt-3 max-w-md text-ink-soft">{t("chat.temporary.text")}</p>}
    </div>
  );
}

const ideas = [
  { icon: Lightbulb, label: "chat.starters.explain", text: "chat.starters.explainText" },
  { icon: PenLine, label: "chat.starters.write", text: "chat.starters.writeText" },
  { icon: CodeXml, label: "chat.starters.code", text: "chat.starters.codeText" },
  { icon: ListChecks, label: "chat.starters.plan", text: "chat.starters.planText" },
] as const;

/** A few things to begin with; a press sends one. */
export function Starters({ folderId }: { folderId: string | null }) {
  const t = useT();
  const { session, model, focusComposer } = useThread();
  return (
    <ul aria-label={t("chat.starters.label")} className="mt-5 grid grid-cols-2 gap-2">
      {ideas.map(({ icon: Icon, label, text }) => (
        <li key={label}>
          <button
            type="button"
            onClick={() => {
              attempt(() => session.send(t(text), { model, folderId }), t("chat.composer.notSent"));
              focusComposer();
            }}
            className="flex h-full w-full items-start gap-3 rounded-2xl border bg-surface/60 px-4 py-3 text-start transition-colors hover:border-line-strong hover:bg-surface"
          >
            <Icon size={18} className="mt-0.5 shrink-0 text-ember" aria-hidden />
            <span>
              <span className="block text-sm font-medium">{t(label)}</span>
              <span className="line-clamp-2 text-sm text-ink-faint max-sm:hidden">{t(text)}</span>
            </span>
          </button>
        </li>
      ))}
    </ul>
  );
}
