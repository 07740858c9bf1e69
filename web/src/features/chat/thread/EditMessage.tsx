import { useRef, useState } from "react";
import { attempt, useThread } from "@/features/chat/actions";
import { Button } from "@/components/ui/Button";
import { textOf, type Message } from "@/lib/conversation/types";
import { useT } from "@/lib/i18n";

/** Change an earlier message. Sending it begins a branch beside the old one. */
export function EditMessage({ message }: { message: Message }) {
  const t = useT();
  const { session, model, setEditing, focusComposer } = useThread();
  const [text, setText] = useState(() => textOf(message));
  const sending = useRef(false);
  const ready = text.trim() !== "";

  const leave = () => {
    setEditing(null);
    focusComposer();
  };
  const send = () => {
    if (!ready || sending.current) return;
    sending.current = true;
    attempt(async () => {
      try {
        await session.send(text.trim(), { parentId: message.parent_id ?? null, model });
        leave();
      } finally {
        sending.current = false;
      }
    }, t("chat.composer.notSent"));
  };

  return (
    <form
      className="mt-6 flex flex-col gap-2.5 rounded-bubble border border-line-strong bg-surface p-3 shadow-soft"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <textarea
        ref={(field) => {
          if (field === null || field === document.activeElement) return;
          field.focus();
          field.setSelectionRange(field.value.length, field.value.length);
        }}
        aria-label={t("chat.message.editLabel")}
        value={text}
        dir="auto"
        onChange={(event) => setText(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === "Escape") {
            event.stopPropagation();
            leave();
          }
          if (event.key === "Enter" && !event.shiftKey && !event.nativeEvent.isComposing) {
            event.preventDefault();
            send();
          }
        }}
        className="field-sizing-content max-h-[50dvh] min-h-16 w-full resize-none bg-transparent px-1.5 outline-none"
      />
      <div className="flex flex-wrap items-center justify-end gap-2">
        <p className="me-auto px-1.5 text-xs text-ink-faint">{t("chat.message.editNote")}</p>
        <Button size="sm" onClick={leave}>
          {t("common.cancel")}
        </Button>
        <Button size="sm" look="primary" type="submit" disabled={!ready}>
          {t("chat.message.send")}
        </Button>
      </div>
    </form>
  );
}
