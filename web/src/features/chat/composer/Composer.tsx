import { ArrowUp, Square } from "lucide-react";
import { useEffect, useState, type KeyboardEvent, type RefObject } from "react";
import { attempt, useThread } from "@/features/chat/actions";
import { useThreadState } from "@/features/chat/book";
import { FullCard } from "@/features/chat/composer/FullCard";
import { useDraft } from "@/features/chat/composer/useDraft";
import { useFull } from "@/features/chat/composer/useFull";
import { runningView } from "@/features/chat/state/state";
import { toast } from "@/components/ui/Toast";
import { Tooltip } from "@/components/ui/Tooltip";
import { cx } from "@/lib/cx";
import { explain } from "@/lib/errors";
import { isTouch } from "@/lib/focus";
import { useT } from "@/lib/i18n";
import { remember } from "@/lib/storage";

interface ComposerProps {
  field: RefObject<HTMLTextAreaElement | null>;
  folderId: string | null;
}

/** Where a message is written. Enter sends, Shift+Enter breaks the line, Esc stops, Up edits the last one. */
export function Composer({ field, folderId }: ComposerProps) {
  const t = useT();
  const { session, model, setEditing } = useThread();
  const state = useThreadState(session);
  const draftKey = state.temporary ? null : (session.id ?? "new");
  const [text, setText] = useDraft(draftKey);
  const [sending, setSending] = useState(false);
  const running = runningView(state) !== null;
  const ready = text.trim() !== "" && !running && !sending;

  useEffect(() => {
    if (!isTouch()) field.current?.focus({ preventScroll: true });
  }, [field, session]);

  const full = useFull(() => void send());

  const send = async () => {
    if (!ready) return;
    const written = text;
    setSending(true);
    // Off the screen at once, but kept in this browser until the server has it.
    setText("");
    if (draftKey !== null) remember(`draft.${draftKey}`, written);
    try {
      await session.send(written.trim(), { model, folderId });
      if (draftKey !== null) remember(`draft.${draftKey}`, null);
      full.clear();
    } catch (error) {
      setText(written);
      if (full.take(error)) return;
      full.clear();
      const { title, hint } = explain(error);
      toast({
        title: t("chat.composer.notSent"),
        text: [title, hint].filter(Boolean).join(" "),
        look: "bad",
      });
    } finally {
      setSending(false);
      field.current?.focus({ preventScroll: true });
    }
  };

  const stop = () => attempt(() => session.stop());

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.nativeEvent.isComposing) return;
    if (event.key === "Enter" && !event.shiftKey && !isTouch()) {
      event.preventDefault();
      void send();
    } else if (event.key === "ArrowUp" && text === "") {
      const last = state.views.findLast((view) => view.message.author.role === "user");
      if (last === undefined || running) return;
      event.preventDefault();
      setEditing(last.message.id);
    }
  };

  return (
    <>
      <FullCard full={full} onSend={() => void send()} />
      <form
        className={cx(
          "flex items-end gap-2 rounded-[1.6rem] border p-2 ps-5 shadow-soft transition-colors",
          "focus-within:border-line-strong",
          state.temporary ? "border-2 border-dashed border-line-strong bg-sunken" : "bg-surface",
        )}
        onSubmit={(event) => {
          event.preventDefault();
          void send();
        }}
      >
        <textarea
          ref={field}
          value={text}
          rows={1}
          dir="auto"
          aria-label={t("chat.composer.label")}
          placeholder={
            state.temporary ? t("chat.composer.placeholderTemporary") : t("chat.composer.placeholder")
          }
          enterKeyHint={isTouch() ? "enter" : "send"}
          onChange={(event) => setText(event.target.value)}
          onKeyDown={onKeyDown}
          className="field-sizing-content max-h-[min(40dvh,20rem)] min-h-10 flex-1 resize-none self-center bg-transparent py-2 outline-none placeholder:text-ink-faint scroll-quiet"
        />
        {running ? (
          <Tooltip text={t("chat.composer.stop")} shortcut="Esc">
            <button
              type="button"
              aria-label={t("chat.composer.stop")}
              onClick={stop}
              className="grid size-10 shrink-0 place-items-center rounded-full bg-ink text-canvas transition-opacity hover:opacity-85"
            >
              <Square size={14} fill="currentColor" aria-hidden />
            </button>
          </Tooltip>
        ) : (
          <button
            type="submit"
            aria-label={t("chat.composer.send")}
            disabled={!ready}
            className="grid size-10 shrink-0 place-items-center rounded-full bg-ember text-on-ember transition-colors hover:bg-ember-strong disabled:bg-hover disabled:text-ink-faint"
          >
            <ArrowUp size={19} strokeWidth={2.4} aria-hidden />
          </button>
        )}
      </form>
    </>
  );
}
