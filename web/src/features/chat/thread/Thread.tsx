import { ArrowDown } from "lucide-react";
import { useEffect, useMemo, useRef } from "react";
import { useThread } from "@/features/chat/actions";
import { useThreadState } from "@/features/chat/book";
import { Chunk } from "@/features/chat/thread/Chunk";
import { chunksOf } from "@/features/chat/thread/chunks";
import { LiveRegion } from "@/features/chat/thread/LiveRegion";
import { Bubble } from "@/features/chat/thread/UserMessage";
import { useKeepPlace } from "@/features/chat/thread/useKeepPlace";
import { useStickToBottom } from "@/features/chat/thread/useStickToBottom";
import { downTo } from "@/features/chat/state/state";
import { Spinner } from "@/components/ui/Spinner";
import { useT } from "@/lib/i18n";

/** Threads longer than this keep only what is near the screen in the page. */
const WINDOWED_FROM = 120;

/** The messages from the root to the head, growing at the bottom and, as one scrolls up, at the top. */
export function Thread() {
  const t = useT();
  const { session } = useThread();
  const state = useThreadState(session);
  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const top = useRef<HTMLDivElement>(null);
  const { atEnd, toEnd, letGo } = useStickToBottom(scroller, content);
  const { views, pending, hasEarlier, loadingEarlier } = state;
  const firstId = views[0]?.message.id;
  useKeepPlace(scroller, firstId, views.at(-1)?.message.id);

  // What is being sent stands where it will be: an edit hides what comes after it.
  const shown = pending === null ? views : downTo(views, pending.parentId);
  const chunks = useMemo(() => chunksOf(shown), [shown]);

  useEffect(() => {
    const mark = top.current;
    if (mark === null || !hasEarlier) return;
    const watcher = new IntersectionObserver(
      ([entry]) => entry?.isIntersecting && void session.loadEarlier(),
      {
        root: scroller.current,
        rootMargin: "1800px 0px 0px 0px",
      },
    );
    watcher.observe(mark);
    return () => watcher.disconnect();
  }, [session, hasEarlier, firstId]);

  const { revealed } = state;
  useEffect(() => {
    if (revealed === null) return;
    const found = content.current?.querySelector(`[data-message="${CSS.escape(revealed.id)}"]`);
    letGo();
    found?.scrollIntoView({ block: "center" });
    found?.classList.add("fs-revealed");
  }, [revealed, letGo]);

  const asked = pending !== null;
  useEffect(() => {
    if (asked) toEnd();
  }, [asked, toEnd]);

  return (
    <div className="relative min-h-0 flex-1">
      <div
        ref={scroller}
        tabIndex={0}
        role="region"
        aria-label={t("chat.messages")}
        data-thread
        className="h-full overflow-x-clip overflow-y-auto overscroll-contain scroll-quiet focus-visible:-outline-offset-2"
      >
        <div ref={content} className="mx-auto w-full max-w-[47rem] px-4 pt-2 pb-10 sm:px-6">
          <div ref={top} aria-hidden className="h-px" />
          {loadingEarlier && (
            <p role="status" className="flex items-center justify-center gap-2 py-3 text-sm text-ink-faint">
              <Spinner className="size-4" />
              {t("chat.loadingEarlier")}
            </p>
          )}
          {chunks.map((chunk, at) => (
            <Chunk
              key={chunk.key}
              views={chunk.views}
              windowed={views.length > WINDOWED_FROM}
              wanted={
                at === chunks.length - 1 || chunk.views.some((view) => view.message.id === revealed?.id)
              }
              scroller={scroller}
            />
          ))}
          {pending !== null && (
            <article aria-label={t("chat.you")} className="flex flex-col items-end pt-6">
              <Bubble text={pending.text} pending />
            </article>
          )}
        </div>
      </div>
      <div
        aria-hidden
        className="pointer-events-none absolute inset-x-0 bottom-0 h-6 bg-linear-to-t from-canvas"
      />
      {!atEnd && (
        <button
          type="button"
          aria-label={t("chat.jumpToLatest")}
          onClick={() => toEnd(true)}
          className="absolute bottom-4 left-1/2 grid size-9 -translate-x-1/2 animate-fade place-items-center rounded-full border bg-raised text-ink-soft shadow-lift hover:text-ink"
        >
          <ArrowDown size={18} aria-hidden />
        </button>
      )}
      <LiveRegion state={state} />
    </div>
  );
}
