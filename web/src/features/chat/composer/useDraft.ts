import { useCallback, useEffect, useState } from "react";
import { recall, remember } from "@/lib/storage";

/**
 * What is being written in a conversation, kept in this browser until it was sent. `key` null keeps
 * it only on the page, for a temporary chat.
 */
export function useDraft(key: string | null): [string, (text: string) => void] {
  const [text, setText] = useState(() => (key === null ? "" : (recall(`draft.${key}`) ?? "")));

  const write = useCallback(
    (next: string) => {
      setText(next);
      if (key !== null) remember(`draft.${key}`, next === "" ? null : next);
    },
    [key],
  );

  // Another tab sent or changed the same draft.
  useEffect(() => {
    if (key === null) return;
    const hear = (event: StorageEvent) => {
      if (event.key === `fireside.draft.${key}` && !document.hasFocus()) setText(event.newValue ?? "");
    };
    globalThis.addEventListener("storage", hear);
    return () => globalThis.removeEventListener("storage", hear);
  }, [key]);

  return [text, write];
}
