import { useLayoutEffect, useRef, type RefObject } from "react";

/** The browser holds the reading place when something above it changes its height. */
export const anchorsItself = typeof CSS !== "undefined" && CSS.supports("overflow-anchor", "auto");

/**
 * Keeps what is being read in place when earlier messages are put above it. Browsers do that
 * themselves, except at the very top, and except those without scroll anchoring.
 */
export function useKeepPlace(
  scroller: RefObject<HTMLElement | null>,
  firstId: string | undefined,
  lastId: string | undefined,
): void {
  const before = useRef({ firstId, lastId, height: 0, top: 0 });

  useLayoutEffect(() => {
    const box = scroller.current;
    if (box === null) return;
    const old = before.current;
    const prepended = old.firstId !== undefined && firstId !== old.firstId && lastId === old.lastId;
    if (prepended && (!anchorsItself || old.top <= 1)) {
      box.scrollTop = old.top + (box.scrollHeight - old.height);
    }
    before.current = { firstId, lastId, height: box.scrollHeight, top: box.scrollTop };
  });

  // The place is where the reader scrolled to last, not where the last drawing left it.
  useLayoutEffect(() => {
    const box = scroller.current;
    if (box === null) return;
    const note = () => {
      before.current.top = box.scrollTop;
      before.current.height = box.scrollHeight;
    };
    box.addEventListener("scroll", note, { passive: true });
    return () => box.removeEventListener("scroll", note);
  }, [scroller]);
}
