import { useEffect, useRef, useState } from "react";
import { spokenPlace } from "@/features/chat/queue/words";
import { lastView, placeOf, type ThreadState } from "@/features/chat/state/state";
import { hasNoEngine } from "@/lib/conversation/queue";
import { isRunning, textOf } from "@/lib/conversation/types";
import { useT } from "@/lib/i18n";
import { spoken } from "@/lib/markdown/plain";

/** How often a listener is told a wait that goes on. */
const TOLD_AGAIN_MS = 15_000;

/** Tells a screen reader that a reply began and, once it is whole, what it says: not every word as it comes. */
export function LiveRegion({ state }: { state: ThreadState }) {
  const t = useT();
  const [said, setSaid] = useState("");
  const writing = useRef<string | null>(null);
  const told = useRef({ key: "", at: 0 });
  const message = lastView(state)?.message;
  const place = message === undefined ? null : placeOf(state, message);
  const waiting = place !== null;

  useEffect(() => {
    if (place === null) {
      told.current = { key: "", at: 0 };
      return;
    }
    // The figures change every second: a listener is told at once what is new in kind, the rest now and then.
    const key = `${place.mode} ${String(hasNoEngine(place))}`;
    const now = Date.now();
    if (told.current.key === key && now - told.current.at < TOLD_AGAIN_MS) return;
    told.current = { key, at: now };
    setSaid(spokenPlace(place));
  }, [place]);

  useEffect(() => {
    if (message?.author.role !== "assistant") return;
    if (isRunning(message)) {
      // While it waits in line, its place is said instead.
      if (waiting) writing.current = null;
      else if (writing.current !== message.id) {
        setSaid(t("chat.live.writing"));
        writing.current = message.id;
      }
    } else if (writing.current === message.id) {
      writing.current = null;
      if (message.status === "failed") setSaid(t("chat.live.failed"));
      else if (message.status === "interrupted") setSaid(t("chat.live.stopped"));
      else setSaid(t("chat.live.done", { text: spoken(textOf(message)) }));
    }
  }, [message, waiting, t]);

  return (
    <div role="status" aria-live="polite" className="sr-only">
      {said}
    </div>
  );
}
