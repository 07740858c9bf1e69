import { useCallback, type ReactNode } from "react";
import { useLocation } from "wouter";
import { useFeed } from "@/app/useFeed";
import { SessionBookProvider, useBook } from "@/features/chat/book";
import { Layers } from "@/features/sidebar/Layers";
import { Sidebar } from "@/features/sidebar/Sidebar";
import { useShortcuts } from "@/features/sidebar/useShortcuts";
import { copyText } from "@/lib/clipboard";
import { textOf } from "@/lib/conversation/types";
import { useT } from "@/lib/i18n";
import { useMe } from "@/lib/session";

/** The sidebar beside the page, and what lives as long as the person is signed in. */
export function Shell({ children }: { children: ReactNode }) {
  const me = useMe();
  useFeed(me !== null);
  return (
    <SessionBookProvider key={me?.id ?? "nobody"}>
      <Frame>{children}</Frame>
    </SessionBookProvider>
  );
}

function Frame({ children }: { children: ReactNode }) {
  const t = useT();
  const book = useBook();
  const [path, navigate] = useLocation();
  const onNew = useCallback(() => {
    const { phase, temporary } = book.get(null).getState();
    if (phase !== "fresh" || temporary) book.renew(false);
    navigate("/");
  }, [book, navigate]);
  const onCopyReply = useCallback(() => {
    const views = book.get(path.startsWith("/c/") ? path.slice(3) : null).getState().views;
    const last = views.findLast((view) => view.message.author.role === "assistant");
    if (last !== undefined) void copyText(textOf(last.message));
  }, [book, path]);
  useShortcuts({ onNew, onCopyReply });
  return (
    <div className="flex h-dvh overflow-hidden">
      <a
        href="#main"
        className="sr-only z-50 rounded-lg bg-raised px-4 py-2 shadow-lift focus:not-sr-only focus:fixed focus:top-3 focus:left-3"
      >
        {t("common.skipToContent")}
      </a>
      <Sidebar onNew={onNew} />
      <div className="flex min-w-0 flex-1">{children}</div>
      <Layers />
    </div>
  );
}
