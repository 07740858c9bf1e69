import { Share2 } from "lucide-react";
import { useEffect, useState } from "react";
import { useLocation, useSearch } from "wouter";
import { useBook, useThreadState } from "@/features/chat/book";
import { ChatView } from "@/features/chat/ChatView";
import type { ThreadSession } from "@/features/chat/state/session";
import { ConversationMenu } from "@/features/sidebar/ConversationMenu";
import { RenameDialog } from "@/features/sidebar/RenameDialog";
import { SidebarButton } from "@/features/sidebar/Sidebar";
import { share } from "@/features/sidebar/ui";
import { IconButton } from "@/components/ui/IconButton";
import { useT } from "@/lib/i18n";
import type { ConversationView } from "@/lib/api/types";

/** A conversation by its address, or the blank page at `/`. */
export function ChatPage({ conversationId }: { conversationId: string | null }) {
  const book = useBook();
  const [, navigate] = useLocation();
  const query = new URLSearchParams(useSearch());
  const folderId = query.get("folder");
  const sought = query.get("message");
  // The blank session is replaced when the person wants a temporary chat; drawing again fetches it.
  const [, redraw] = useState(0);
  const session = book.get(conversationId);
  const { conversation } = useThreadState(session);
  useTitle(conversation);

  // The first message of a new conversation gave it its address.
  const newId = conversationId === null ? (conversation?.id ?? null) : null;
  useEffect(() => {
    if (newId !== null) navigate(`/c/${newId}`);
  }, [newId, navigate]);

  // A search led here: show the message, then take it out of the address.
  useEffect(() => {
    if (sought === null || conversationId === null) return;
    void session.reveal(sought);
    navigate(`/c/${conversationId}`, { replace: true });
  }, [sought, conversationId, session, navigate]);

  return (
    <ChatView
      session={session}
      folderId={conversationId === null ? folderId : null}
      onTemporary={(temporary) => {
        book.renew(temporary);
        redraw((count) => count + 1);
      }}
      before={<SidebarButton />}
      after={conversation !== null && <HeaderActions key={conversation.id} session={session} />}
    />
  );
}

function HeaderActions({ session }: { session: ThreadSession }) {
  const t = useT();
  const { conversation } = useThreadState(session);
  const [naming, setNaming] = useState(false);
  if (conversation === null) return null;
  return (
    <>
      <IconButton size="md" label={t("sidebar.share")} onClick={() => share(conversation)}>
        <Share2 size={18} aria-hidden />
      </IconButton>
      <ConversationMenu size="md" conversation={conversation} onRename={() => setNaming(true)} />
      {naming && <RenameDialog conversation={conversation} onClose={() => setNaming(false)} />}
    </>
  );
}

function useTitle(conversation: ConversationView | null): void {
  const t = useT();
  const title = conversation?.title ?? "";
  useEffect(() => {
    document.title = title === "" ? t("common.appName") : `${title} · ${t("common.appName")}`;
  }, [title, t]);
}
