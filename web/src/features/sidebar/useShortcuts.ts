import { useEffect } from "react";
import { openLayer, toggleSidebar } from "@/features/sidebar/ui";
import { isTyping } from "@/lib/focus";

/** Keys that work everywhere beside the sidebar. */
export function useShortcuts({ onNew, onCopyReply }: { onNew: () => void; onCopyReply: () => void }): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.isComposing || event.altKey) return;
      const mod = event.metaKey || event.ctrlKey;
      const key = event.key.toLowerCase();
      if (mod && !event.shiftKey && key === "k") openLayer("search");
      else if (mod && event.shiftKey && key === "o") onNew();
      else if (mod && event.shiftKey && key === "s") toggleSidebar();
      else if (mod && event.shiftKey && key === "c") onCopyReply();
      else if (!mod && event.key === "?" && !isTyping(event.target)) openLayer("shortcuts");
      else return;
      event.preventDefault();
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, [onNew, onCopyReply]);
}
