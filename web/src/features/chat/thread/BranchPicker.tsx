import { ChevronLeft, ChevronRight } from "lucide-react";
import { attempt, useThread } from "@/features/chat/actions";
import { IconButton } from "@/components/ui/IconButton";
import { useT } from "@/lib/i18n";

/** Walk between the versions at one place: ‹ 2/3 ›. */
export function BranchPicker({ messageId, siblings }: { messageId: string; siblings: readonly string[] }) {
  const t = useT();
  const { session } = useThread();
  const index = siblings.indexOf(messageId);
  if (siblings.length < 2 || index === -1) return null;
  const show = (at: number) => attempt(() => session.showBranch(siblings[at]!));
  const count = siblings.length;
  return (
    <div
      role="group"
      aria-label={t("chat.branch.label")}
      className="flex items-center text-sm text-ink-faint tabular-nums"
    >
      <IconButton
        label={t("chat.branch.previous")}
        className="w-6"
        disabled={index === 0}
        onClick={() => show(index - 1)}
      >
        <ChevronLeft size={16} aria-hidden />
      </IconButton>
      <span aria-hidden>{t("chat.branch.position", { index: index + 1, count })}</span>
      <span className="sr-only">{t("chat.branch.positionLong", { index: index + 1, count })}</span>
      <IconButton
        label={t("chat.branch.next")}
        className="w-6"
        disabled={index === count - 1}
        onClick={() => show(index + 1)}
      >
        <ChevronRight size={16} aria-hidden />
      </IconButton>
    </div>
  );
}
