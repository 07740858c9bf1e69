import { useCallback, useRef, useSyncExternalStore } from "react";
import { useThread, attempt } from "@/features/chat/actions";
import { CompareCard } from "@/features/chat/feedback/CompareCard";
import { QueueCard } from "@/features/chat/queue/QueueCard";
import { lastView, placeOf } from "@/features/chat/state/state";
import { BranchPicker } from "@/features/chat/thread/BranchPicker";
import { Degraded } from "@/features/chat/thread/Degraded";
import { ReplyActions } from "@/features/chat/thread/ReplyActions";
import { useHeldHeight } from "@/features/chat/thread/useHeldHeight";
import { MessageParts } from "@/components/chat/MessageParts";
import { Button } from "@/components/ui/Button";
import { isRunning, type Message } from "@/lib/conversation/types";
import { useT } from "@/lib/i18n";
import type { MessageView } from "@/lib/api/types";

/** A reply: what was said so far, how it ended, and what can be done with it. */
export function AssistantMessage({ view }: { view: MessageView }) {
  const t = useT();
  const { session } = useThread();
  const { message, siblings } = view;
  const running = isRunning(message);
  const parts = message.parts ?? [];
  const article = useRef<HTMLElement>(null);
  const look = useCallback(() => placeOf(session.getState(), message), [session, message]);
  const place = useSyncExternalStore(session.subscribe, look);
  const isLast = useCallback(
    () => lastView(session.getState())?.message.id === message.id,
    [session, message.id],
  );
  const last = useSyncExternalStore(session.subscribe, isLast);
  const minHeight = useHeldHeight(article, place !== null, !last);
  return (
    <article
      ref={article}
      style={minHeight === undefined ? undefined : { minHeight }}
      data-message={message.id}
      data-status={message.status ?? "complete"}
      aria-label={t("chat.assistant")}
      aria-busy={running && place === null}
      className="group flow-root pt-2"
    >
      {message.deleted === true ? (
        <p className="text-ink-faint italic">{t("chat.reply.deleted")}</p>
      ) : (
        <MessageParts parts={parts} streaming={running} />
      )}
      {running && parts.length === 0 && place === null && <FirstWord />}
      {place !== null && <QueueCard messageId={message.id} place={place} />}
      <Ending message={message} />
      {!running && <Degraded message={message} />}
      {!running && (
        <div className="mt-1.5 -ms-2 flex min-h-8 flex-wrap items-center gap-x-1 gap-y-0">
          {!session.getState().temporary && <BranchPicker messageId={message.id} siblings={siblings} />}
          <ReplyActions message={message} />
        </div>
      )}
      <CompareCard message={message} />
    </article>
  );
}

/** Three embers that wait with the person. */
function FirstWord() {
  const t = useT();
  return (
    <p className="flex h-7 items-center gap-1.5">
      <span className="sr-only">{t("chat.reply.waiting")}</span>
      {[0, 180, 360].map((delay) => (
        <span
          key={delay}
          aria-hidden
          className="size-2 animate-ember rounded-full bg-ember"
          style={{ animationDelay: `${delay}ms` }}
        />
      ))}
    </p>
  );
}

/** Why a reply is not a whole one, in words, with the way on. */
function Ending({ message }: { message: Message }) {
  const t = useT();
  const { session, model } = useThread();
  if (isRunning(message)) return null;
  const { temporary } = session.getState();
  const said = (message.parts ?? []).length > 0;
  const goOn = said && !temporary && (
    <Button size="sm" onClick={() => attempt(() => session.continueReply(message.id))}>
      {t("chat.reply.continue")}
    </Button>
  );
  if (message.status === "failed") {
    return (
      <div
        role="alert"
        className="mt-3 flex flex-col items-start gap-2.5 rounded-2xl border border-bad/30 bg-bad-soft px-4 py-3 text-sm"
      >
        <p>
          <strong className="font-semibold">{message.error?.message || t("chat.reply.failed")}</strong>{" "}
          {message.error?.hint}
        </p>
        <div className="flex gap-2">
          {goOn}
          <Button size="sm" onClick={() => attempt(() => session.regenerate(message.id, model))}>
            {t("common.retry")}
          </Button>
        </div>
      </div>
    );
  }
  const notes = {
    length: t("chat.reply.cutByLength"),
    content_filter: t("chat.reply.filtered"),
    abort: t("chat.reply.interrupted"),
  };
  const reason = message.status === "interrupted" ? "abort" : message.finish_reason;
  if (reason === "length" || reason === "content_filter" || reason === "abort") {
    return (
      <p className="mt-3 flex flex-wrap items-center gap-3 text-sm text-ink-faint">
        {notes[reason]}
        {reason !== "content_filter" && goOn}
      </p>
    );
  }
  return said || message.deleted === true ? null : (
    <p className="text-ink-faint italic">{t("chat.reply.empty")}</p>
  );
}
