import { useLayoutEffect, useState, type RefObject } from "react";

/**
 * The height that a box had while `holding`, kept as its least height until `released`: what stood
 * in it goes, and nothing around it jumps.
 */
export function useHeldHeight(
  box: RefObject<HTMLElement | null>,
  holding: boolean,
  released: boolean,
): number | undefined {
  const [height, setHeight] = useState<number | undefined>(undefined);
  useLayoutEffect(() => {
    const element = box.current;
    if (!holding || element === null) return;
    const note = () => setHeight(element.getBoundingClientRect().height);
    note();
    const watcher = new ResizeObserver(note);
    watcher.observe(element);
    return () => watcher.disconnect();
  }, [box, holding]);
  return holding || released ? undefined : height;
}
