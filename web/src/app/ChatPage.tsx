import { useT } from "@/lib/i18n";

export function ChatPage({ conversationId }: { conversationId: string | null }) {
  const t = useT();
  return (
    <main>
      {t("chat.title")} {conversationId}
    </main>
  );
}
