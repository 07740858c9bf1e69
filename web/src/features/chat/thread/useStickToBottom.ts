import { useCallback, useEffect, useRef, useState, type RefObject } from "react";

const NEAR_PX = 48;

export interface Stick {
  /** The end of the thread is on screen. */
  atEnd: boolean;
  /** Go to the end and stay there while the thread grows. */
  toEnd: (smooth?: boolean) => void;
  /** Stay where the person is, although the thread grows. */
  letGo: () => void;
}

/**
 * Keeps the end of a growing thread on screen until the person scrolls up, and again once they are
 * back at the end. Nothing is measured while scrolling but three numbers.
 */
export function useStickToBottom(
  scroller: RefObject<HTMLElement | null>,
  content: RefObject<HTMLElement | null>,
): Stick {
  const sticking = useRef(true);
  const lastTop = useRef(0);
  const [atEnd, setAtEnd] = useState(true);

  const toEnd = useCallback(
    (smooth = false) => {
      const box = scroller.current;
      if (box === null) return;
      sticking.current = true;
      const calm = globalThis.matchMedia("(prefers-reduced-motion: reduce)").matches;
      box.scrollTo({ top: box.scrollHeight, behavior: smooth && !calm ? "smooth" : "instant" });
    },
    [scroller],
  );

  const letGo = useCallback(() => {
    sticking.current = false;
  }, []);

  useEffect(() => {
    const box = scroller.current;
    const inner = content.current;
    if (box === null || inner === null) return;
    const distance = () => box.scrollHeight - box.scrollTop - box.clientHeight;
    const onScroll = () => {
      const away = distance();
      if (away < NEAR_PX) sticking.current = true;
      else if (box.scrollTop < lastTop.current - 1) sticking.current = false;
      lastTop.current = box.scrollTop;
      setAtEnd(away < NEAR_PX * 3);
    };
    const onWheel = (event: WheelEvent) => {
      if (event.deltaY < 0 && box.scrollHeight > box.clientHeight) sticking.current = false;
    };
    const watcher = new ResizeObserver(() => {
      if (sticking.current) box.scrollTop = box.scrollHeight;
      onScroll();
    });
    watcher.observe(inner);
    watcher.observe(box);
    box.addEventListener("scroll", onScroll, { passive: true });
    box.addEventListener("wheel", onWheel, { passive: true });
    return () => {
      watcher.disconnect();
      box.removeEventListener("scroll", onScroll);
      box.removeEventListener("wheel", onWheel);
    };
  }, [scroller, content]);

  return { atEnd, toEnd, letGo };
}
