import { useEffect, useMemo, useRef, useState, type ReactNode } from "react";
import { attempt, ThreadContext } from "@/features/chat/actions";
import { useThreadState } from "@/features/chat/book";
import { ChatHeader } from "@/features/chat/ChatHeader";
import { Composer } from "@/features/chat/composer/Composer";
import { Notices } from "@/features/chat/composer/Notices";
import { runningView } from "@/features/chat/state/state";
import type { ThreadSession } from "@/features/chat/state/session";
import { Thread } from "@/features/chat/thread/Thread";
import { useModelChoice } from "@/features/chat/useModelChoice";
import { useThreadKeys } from "@/features/chat/useThreadKeys";
import { Greeting, Starters } from "@/features/chat/Welcome";
import { preloadMarkdown } from "@/components/chat/Markdown";
import { Button } from "@/components/ui/Button";
import { EmptyState } from "@/components/ui/EmptyState";
import { Spinner } from "@/components/ui/Spinner";
import { ApiError } from "@/lib/api/client";
import { explain } from "@/lib/errors";
import { useT } from "@/lib/i18n";

export interface ChatViewProps {
  session: ThreadSession;
  /** A new conversation begins in this folder. */
  folderId: string | null;
  onTemporary: (temporary: boolean) => void;
  /** What the shell puts at the left and the right of the header. */
  before: ReactNode;
  after: ReactNode;
}

/** One conversation, or the blank page before it: header, thread, composer. */
export function ChatView({ session, folderId, onTemporary, before, after }: ChatViewProps) {
  const t = useT();
  const state = useThreadState(session);
  const [model, pickModel] = useModelChoice(session, state);
  const [editing, setEditing] = useState<string | null>(null);
  const field = useRef<HTMLTextAreaElement>(null);
  const context = useMemo(() => {
    const focusComposer = () => field.current?.focus({ preventScroll: true });
    return { session, model, editing, setEditing, focusComposer };
  }, [session, model, editing]);
  const running = runningView(state) !== null;
  useThreadKeys({ field, stop: running ? () => attempt(() => session.stop()) : null });
  useEffect(preloadMarkdown, []);

  const blank = state.phase === "fresh" && state.views.length === 0 && state.pending === null;
  return (
    <ThreadContext value={context}>
      <main id="main" aria-label={t("chat.main")} className="flex min-w-0 flex-1 flex-col">
        <ChatHeader
          state={state}
          model={model}
          onPickModel={pickModel}
          onTemporary={onTemporary}
          before={before}
          after={after}
        />
        {blank ? (
          <div className="flex min-h-0 flex-1 flex-col justify-end overflow-hidden">
            <Greeting temporary={state.temporary} />
          </div>
        ) : (
          <Body session={session} state={state} />
        )}
        {state.phase !== "failed" && (
          <div className="mx-auto w-full max-w-[47rem] px-3 pb-safe sm:px-6">
            <Notices following={state.connected} />
            <Composer key={session.key} field={field} folderId={folderId} />
            <p className="pt-2 text-center text-xs text-ink-faint">
              {state.temporary ? t("chat.composer.hintTemporary") : t("chat.composer.hint")}
            </p>
            {blank && !state.temporary && <Starters folderId={folderId} />}
          </div>
        )}
        {blank && <div className="min-h-0 flex-[1.1]" />}
      </main>
    </ThreadContext>
  );
}

function Body({ session, state }: { session: ThreadSession; state: ReturnType<typeof useThreadState> }) {
  const t = useT();
  if (state.phase === "failed") {
    const gone = state.error instanceof ApiError && state.error.status === 404;
    const { title, hint } = explain(state.error);
    return (
      <div className="grid flex-1 place-items-center">
        <EmptyState
          title={gone ? t("chat.gone") : t("chat.failedToOpen")}
          text={gone ? t("chat.goneText") : [title, hint].filter(Boolean).join(" ")}
          action={gone ? undefined : <Button onClick={() => void session.open()}>{t("common.retry")}</Button>}
        />
      </div>
    );
  }
  if (state.phase === "loading") {
    return (
      <p role="status" className="grid flex-1 animate-fade place-items-center text-ink-faint">
        <Spinner />
        <span className="sr-only">{t("chat.loading")}</span>
      </p>
    );
  }
  return <Thread key={session.key} />;
}
