import { memo, useEffect, useRef, useState, type RefObject } from "react";
import { MessageItem } from "@/features/chat/thread/MessageItem";
import { sameViews } from "@/features/chat/thread/chunks";
import type { MessageView } from "@/lib/api/types";

interface ChunkProps {
  views: readonly MessageView[];
  /** In a long thread, what is far from the screen is replaced by its height. */
  windowed: boolean;
  scroller: RefObject<HTMLElement | null>;
}

/** Some messages in a row. Drawn only near the screen when the thread is long. */
export const Chunk = memo(
  function Chunk({ views, windowed, scroller }: ChunkProps) {
    const box = useRef<HTMLDivElement>(null);
    const [near, setNear] = useState(true);
    const [height, setHeight] = useState(0);

    useEffect(() => {
      const element = box.current;
      if (element === null || !windowed) return;
      const watcher = new IntersectionObserver(
        ([entry]) => {
          if (entry === undefined) return;
          if (!entry.isIntersecting) setHeight(entry.boundingClientRect.height);
          setNear(entry.isIntersecting);
        },
        { root: scroller.current, rootMargin: "1600px 0px" },
      );
      watcher.observe(element);
      return () => watcher.disconnect();
    }, [windowed, scroller]);

    const away = windowed && !near;
    return (
      <div ref={box} style={away ? { height } : undefined}>
        {!away && views.map((view) => <MessageItem key={view.message.id} view={view} />)}
      </div>
    );
  },
  (a, b) => a.windowed === b.windowed && a.scroller === b.scroller && sameViews(a.views, b.views),
);
