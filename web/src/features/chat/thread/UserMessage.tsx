import { Check, Copy, Pencil } from "lucide-react";
import { useState } from "react";
import { useThread } from "@/features/chat/actions";
import { BranchPicker } from "@/features/chat/thread/BranchPicker";
import { PlainText } from "@/components/chat/Markdown";
import { IconButton } from "@/components/ui/IconButton";
import { useCopy } from "@/lib/clipboard";
import { cx } from "@/lib/cx";
import { textOf } from "@/lib/conversation/types";
import { useT } from "@/lib/i18n";
import type { MessageView } from "@/lib/api/types";

const LONG_CHARS = 1600;

/** What the person wrote, as they wrote it. */
export function UserMessage({ view }: { view: MessageView }) {
  const t = useT();
  const { session, setEditing } = useThread();
  const [copied, copy] = useCopy();
  const { message, siblings } = view;
  const text = textOf(message);
  return (
    <article
      data-message={message.id}
      aria-label={t("chat.you")}
      className="group flex flex-col items-end pt-6"
    >
      <Bubble text={message.deleted === true ? t("chat.reply.deleted") : text} />
      <div className="mt-1 flex items-center gap-0.5 opacity-0 transition-opacity group-hover:opacity-100 focus-within:opacity-100 pointer-coarse:opacity-100">
        <IconButton
          label={copied ? t("common.copied") : t("chat.message.copy")}
          onClick={() => void copy(text)}
        >
          {copied ? <Check size={16} aria-hidden /> : <Copy size={16} aria-hidden />}
        </IconButton>
        <IconButton label={t("chat.message.edit")} onClick={() => setEditing(message.id)}>
          <Pencil size={16} aria-hidden />
        </IconButton>
        {!session.getState().temporary && <BranchPicker messageId={message.id} siblings={siblings} />}
      </div>
    </article>
  );
}

/** A person's words in their bubble; long ones are folded. */
export function Bubble({ text, pending = false }: { text: string; pending?: boolean }) {
  const t = useT();
  const [open, setOpen] = useState(false);
  const long = text.length > LONG_CHARS;
  return (
    <div
      className={cx(
        "max-w-[85%] rounded-bubble rounded-br-md bg-sunken px-4 py-2.5 dark:bg-raised",
        pending && "opacity-70",
      )}
    >
      <PlainText text={text} className={long && !open ? "line-clamp-12" : ""} />
      {long && (
        <button
          type="button"
          aria-expanded={open}
          onClick={() => setOpen(!open)}
          className="mt-1.5 text-sm font-medium text-ember"
        >
          {open ? t("chat.message.showLess") : t("chat.message.showAll")}
        </button>
      )}
    </div>
  );
}
