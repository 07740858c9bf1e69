import { memo, startTransition, useEffect, useLayoutEffect, useRef, useState, type RefObject } from "react";
import { MessageItem } from "@/features/chat/thread/MessageItem";
import { sameViews } from "@/features/chat/thread/chunks";
import { anchorsItself } from "@/features/chat/thread/useKeepPlace";
import type { MessageView } from "@/lib/api/types";

interface ChunkProps {
  views: readonly MessageView[];
  /** In a long thread, what is far from the screen is replaced by its height. */
  windowed: boolean;
  /** Drawn wherever it is: the end of the thread, or a message that is being looked for. */
  wanted: boolean;
  scroller: RefObject<HTMLElement | null>;
}

/** How high a message is taken to be until it was drawn, in px. */
const GUESS_PX = 120;

/** Some messages in a row. In a long thread they are drawn only near the screen, in slices that leave frames free. */
export const Chunk = memo(
  function Chunk({ views, windowed, wanted, scroller }: ChunkProps) {
    const box = useRef<HTMLDivElement>(null);
    const [near, setNear] = useState(!windowed || wanted);
    const [height, setHeight] = useState(views.length * GUESS_PX);
    const away = windowed && !near && !wanted;

    useEffect(() => {
      const element = box.current;
      if (element === null || !windowed) return;
      const watcher = new IntersectionObserver(
        ([entry]) => {
          if (entry === undefined) return;
          if (!entry.isIntersecting) setHeight(entry.boundingClientRect.height);
          startTransition(() => setNear(entry.isIntersecting));
        },
        { root: scroller.current, rootMargin: "2000px 0px" },
      );
      watcher.observe(element);
      return () => watcher.disconnect();
    }, [windowed, scroller]);

    // Where the browser does not hold the reading place itself, a guess that was wrong is made up for.
    useLayoutEffect(() => {
      const [element, outer] = [box.current, scroller.current];
      if (anchorsItself || away || !windowed || element === null || outer === null) return;
      const { top, height: drawn } = element.getBoundingClientRect();
      if (top + height < outer.getBoundingClientRect().top) outer.scrollTop += drawn - height;
    }, [away, windowed, height, scroller]);

    return (
      <div ref={box} style={away ? { height } : undefined}>
        {!away && views.map((view) => <MessageItem key={view.message.id} view={view} />)}
      </div>
    );
  },
  (a, b) =>
    a.windowed === b.windowed &&
    a.wanted === b.wanted &&
    a.scroller === b.scroller &&
    sameViews(a.views, b.views),
);
