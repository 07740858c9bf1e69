import { useState } from "react";
import { attempt, useThread } from "@/features/chat/actions";
import { useThreadState } from "@/features/chat/book";
import { postFeedback } from "@/features/chat/feedback/api";
import { MessageParts } from "@/components/chat/MessageParts";
import { Button } from "@/components/ui/Button";
import { toast } from "@/components/ui/Toast";
import { isRunning, type Message } from "@/lib/conversation/types";
import { useT } from "@/lib/i18n";

/** After a second reply to the same question: both side by side, and which one is better. */
export function CompareCard({ message }: { message: Message }) {
  const t = useT();
  const { session, focusComposer } = useThread();
  const { comparison } = useThreadState(session);
  const [saving, setSaving] = useState(false);
  if (comparison === null || comparison.afterId !== message.id || isRunning(message)) return null;
  if ((message.status ?? "complete") !== "complete") return null;
  const { before } = comparison;

  const choose = (chosen: Message, rejected: Message) => {
    setSaving(true);
    attempt(async () => {
      try {
        await postFeedback({
          kind: "choice",
          conversation_id: session.id!,
          chosen_id: chosen.id,
          rejected_id: rejected.id,
        });
        toast({ title: t("chat.compare.thanks") });
        session.dismissComparison();
        focusComposer();
        if (chosen.id === before.id) await session.showBranch(before.id);
      } finally {
        setSaving(false);
      }
    });
  };

  return (
    <section
      aria-label={t("chat.compare.title")}
      className="mt-4 animate-rise rounded-2xl border bg-surface p-4 shadow-soft sm:p-5"
    >
      <div className="flex items-start justify-between gap-4">
        <div>
          <h3 className="font-semibold">{t("chat.compare.title")}</h3>
          <p className="text-sm text-ink-faint">{t("chat.compare.text")}</p>
        </div>
        <Button
          size="sm"
          look="quiet"
          onClick={() => {
            session.dismissComparison();
            focusComposer();
          }}
        >
          {t("chat.compare.skip")}
        </Button>
      </div>
      <div className="mt-4 grid gap-4 sm:grid-cols-2">
        <Choice
          title={t("chat.compare.first")}
          message={before}
          busy={saving}
          onChoose={() => choose(before, message)}
        />
        <Choice
          title={t("chat.compare.second")}
          message={message}
          busy={saving}
          onChoose={() => choose(message, before)}
        />
      </div>
    </section>
  );
}

function Choice({
  title,
  message,
  busy,
  onChoose,
}: {
  title: string;
  message: Message;
  busy: boolean;
  onChoose: () => void;
}) {
  const t = useT();
  return (
    <div className="flex min-w-0 flex-col rounded-xl border">
      <h4 className="border-b px-3.5 py-2 text-sm font-medium text-ink-soft">{title}</h4>
      <div
        tabIndex={0}
        role="region"
        aria-label={title}
        className="max-h-72 flex-1 overflow-y-auto px-3.5 py-3 text-sm scroll-quiet"
      >
        <MessageParts parts={message.parts ?? []} streaming={false} />
      </div>
      <div className="border-t p-2.5">
        <Button size="sm" className="w-full" disabled={busy} onClick={onChoose}>
          {t("chat.compare.choose")}
        </Button>
      </div>
    </div>
  );
}
