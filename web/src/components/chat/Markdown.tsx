import { lazy, memo, Suspense, useDeferredValue } from "react";
import { cx } from "@/lib/cx";

const load = () => import("@/components/chat/MarkdownBlocks");
const MarkdownBlocks = lazy(load);

/** Fetch the Markdown code before the first reply needs it. */
export function preloadMarkdown(): void {
  load().catch(() => undefined);
}

/** Markdown of a reply. Until its code is there, the plain text stands in the same place. */
export const Markdown = memo(function Markdown({
  text,
  streaming = false,
}: {
  text: string;
  streaming?: boolean;
}) {
  const shown = useDeferredValue(text);
  return (
    <div className="fs-prose" dir="auto">
      <Suspense fallback={<PlainText text={text} />}>
        <MarkdownBlocks text={streaming ? shown : text} streaming={streaming} />
      </Suspense>
    </div>
  );
});

/** Text as it was typed, with its line breaks. */
export function PlainText({ text, className }: { text: string; className?: string }) {
  return (
    <div dir="auto" className={cx("break-words whitespace-pre-wrap", className)}>
      {text}
    </div>
  );
}
