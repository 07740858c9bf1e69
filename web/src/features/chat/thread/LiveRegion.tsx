import { useEffect, useRef, useState } from "react";
import { lastView, type ThreadState } from "@/features/chat/state/state";
import { isRunning, textOf } from "@/lib/conversation/types";
import { useT } from "@/lib/i18n";
import { spoken } from "@/lib/markdown/plain";

/** Tells a screen reader that a reply began and, once it is whole, what it says: not every word as it comes. */
export function LiveRegion({ state }: { state: ThreadState }) {
  const t = useT();
  const [said, setSaid] = useState("");
  const writing = useRef<string | null>(null);
  const message = lastView(state)?.message;

  useEffect(() => {
    if (message?.author.role !== "assistant") return;
    if (isRunning(message)) {
      if (writing.current !== message.id) setSaid(t("chat.live.writing"));
      writing.current = message.id;
    } else if (writing.current === message.id) {
      writing.current = null;
      if (message.status === "failed") setSaid(t("chat.live.failed"));
      else if (message.status === "interrupted") setSaid(t("chat.live.stopped"));
      else setSaid(t("chat.live.done", { text: spoken(textOf(message)) }));
    }
  }, [message, t]);

  return (
    <div role="status" aria-live="polite" className="sr-only">
      {said}
    </div>
  );
}
