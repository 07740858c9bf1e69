import { useState } from "react";
import { reasonsFor, type Reason } from "@/features/chat/feedback/reasons";
import { Button } from "@/components/ui/Button";
import { Dialog } from "@/components/ui/Dialog";
import { TextArea } from "@/components/ui/TextField";
import { useT } from "@/lib/i18n";
import type { Thumb } from "@/lib/api/types";

interface ReasonDialogProps {
  thumb: Thumb;
  onClose: () => void;
  onUndo: () => void;
  onSend: (reasons: readonly Reason[], comment: string) => void;
}

/** Why the thumb: some reasons to tick and room for a sentence. The thumb itself is saved already. */
export function ReasonDialog({ thumb, onClose, onUndo, onSend }: ReasonDialogProps) {
  const t = useT();
  const [chosen, setChosen] = useState<ReadonlySet<Reason>>(new Set());
  const [comment, setComment] = useState("");
  const toggle = (reason: Reason) => {
    const next = new Set(chosen);
    if (!next.delete(reason)) next.add(reason);
    setChosen(next);
  };
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onClose()}
      title={thumb === "up" ? t("chat.feedback.goodTitle") : t("chat.feedback.badTitle")}
      description={t("chat.feedback.text")}
      footer={
        <>
          <Button look="quiet" className="me-auto" onClick={onUndo}>
            {t("common.undo")}
          </Button>
          <Button
            look="primary"
            disabled={chosen.size === 0 && comment.trim() === ""}
            onClick={() => onSend([...chosen], comment.trim())}
          >
            {t("chat.feedback.send")}
          </Button>
        </>
      }
    >
      <div role="group" aria-label={t("chat.feedback.reasons")} className="mt-2 mb-5 flex flex-wrap gap-2">
        {reasonsFor[thumb].map((reason) => (
          <button
            key={reason}
            type="button"
            aria-pressed={chosen.has(reason)}
            onClick={() => toggle(reason)}
            className="rounded-full border border-line-strong px-3.5 py-1.5 text-sm transition-colors hover:bg-hover aria-pressed:border-ember aria-pressed:bg-ember-soft aria-pressed:font-medium"
          >
            {t(`chat.feedback.reason.${reason}`)}
          </button>
        ))}
      </div>
      <TextArea
        label={t("chat.feedback.comment")}
        placeholder={t("chat.feedback.commentPlaceholder")}
        value={comment}
        maxLength={4000}
        rows={3}
        onChange={(event) => setComment(event.target.value)}
      />
    </Dialog>
  );
}
