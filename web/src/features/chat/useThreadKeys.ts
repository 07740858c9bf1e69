import { useEffect, type RefObject } from "react";

interface ThreadKeys {
  field: RefObject<HTMLTextAreaElement | null>;
  /** Stops the running reply; null when none runs. */
  stop: (() => void) | null;
}

/** A dialog or a menu is open and takes Esc for itself. */
function layerOpen(): boolean {
  return document.querySelector("[role=dialog], [role=menu], [role=alertdialog]") !== null;
}

/** Keys of an open conversation: Esc stops, Shift+Esc goes to the composer. */
export function useThreadKeys({ field, stop }: ThreadKeys): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key !== "Escape" || event.defaultPrevented || event.isComposing || layerOpen()) return;
      if (event.shiftKey) field.current?.focus();
      else if (stop !== null) {
        event.preventDefault();
        stop();
      }
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, [field, stop]);
}
