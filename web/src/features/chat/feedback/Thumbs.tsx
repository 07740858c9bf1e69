import { ThumbsDown, ThumbsUp } from "lucide-react";
import { useState } from "react";
import { useThread } from "@/features/chat/actions";
import { useThreadState } from "@/features/chat/book";
import { postFeedback } from "@/features/chat/feedback/api";
import { ReasonDialog } from "@/features/chat/feedback/ReasonDialog";
import type { Reason } from "@/features/chat/feedback/reasons";
import { IconButton } from "@/components/ui/IconButton";
import { toast } from "@/components/ui/Toast";
import { explain } from "@/lib/errors";
import { useT } from "@/lib/i18n";
import type { Thumb } from "@/lib/api/types";

/** Thumb up or down. It counts at once; a second press takes it back; a word more is asked for afterwards. */
export function Thumbs({ messageId }: { messageId: string }) {
  const t = useT();
  const { session } = useThread();
  const thumb = useThreadState(session).thumbs[messageId] ?? null;
  const [asking, setAsking] = useState<Thumb | null>(null);

  const save = async (next: Thumb | "none", reasons: readonly Reason[] = [], comment = "") => {
    const before = thumb ?? "none";
    session.setThumb(messageId, next);
    try {
      const conversation_id = session.id!;
      await postFeedback({
        kind: "thumb",
        message_id: messageId,
        conversation_id,
        thumb: next,
        reasons: [...reasons],
        comment,
      });
      return true;
    } catch (error) {
      session.setThumb(messageId, before);
      toast({ title: t("chat.feedback.failed"), text: explain(error).title, look: "bad" });
      return false;
    }
  };

  const press = async (pressed: Thumb) => {
    if (thumb === pressed) {
      if (await save("none")) toast({ title: t("chat.feedback.removed") });
    } else if (pressed === "down") {
      setAsking("down");
      await save("down");
    } else if (await save("up")) {
      toast({
        title: t("chat.feedback.thanks"),
        action: { label: t("chat.feedback.tellMore"), run: () => setAsking("up") },
      });
    }
  };

  return (
    <>
      <IconButton label={t("chat.reply.good")} aria-pressed={thumb === "up"} onClick={() => void press("up")}>
        <ThumbsUp size={16} aria-hidden fill={thumb === "up" ? "currentColor" : "none"} fillOpacity={0.2} />
      </IconButton>
      <IconButton
        label={t("chat.reply.bad")}
        aria-pressed={thumb === "down"}
        onClick={() => void press("down")}
      >
        <ThumbsDown
          size={16}
          aria-hidden
          fill={thumb === "down" ? "currentColor" : "none"}
          fillOpacity={0.2}
        />
      </IconButton>
      {asking !== null && (
        <ReasonDialog
          thumb={asking}
          onClose={() => setAsking(null)}
          onUndo={() => {
            setAsking(null);
            void save("none").then((done) => done && toast({ title: t("chat.feedback.removed") }));
          }}
          onSend={(reasons, comment) => {
            const given = asking;
            setAsking(null);
            void save(given, reasons, comment).then(
              (done) => done && toast({ title: t("chat.feedback.thanks") }),
            );
          }}
        />
      )}
    </>
  );
}
