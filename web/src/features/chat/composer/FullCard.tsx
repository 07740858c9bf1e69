import { Hourglass } from "lucide-react";
import type { Full } from "@/features/chat/composer/useFull";
import { Button } from "@/components/ui/Button";
import { useT } from "@/lib/i18n";
import { formatIn } from "@/lib/waits";

/** Above the box: there is no room just now, when there will be, and that nothing was lost. */
export function FullCard({ full, onSend }: { full: Full; onSend: () => void }) {
  const t = useT();
  if (full.error === null) return null;
  const waiting = full.leftS > 0;
  const wait = formatIn(full.leftS);
  return (
    <section
      aria-label={t("chat.composer.full.title")}
      className="mb-2.5 flex animate-rise flex-wrap items-center gap-x-4 gap-y-2.5 rounded-2xl border bg-raised px-4 py-3 shadow-soft"
    >
      <Hourglass size={17} aria-hidden className="shrink-0 text-ember max-sm:hidden" />
      <div className="min-w-[min(100%,15rem)] flex-1 text-sm">
        <p role="alert" className="font-medium">
          {full.error.message || t("chat.composer.full.title")}
        </p>
        <p className="text-ink-soft tabular-nums">
          {t(waiting ? "chat.composer.full.text" : "chat.composer.full.ready", { wait })}{" "}
          {waiting && full.auto && t("chat.composer.full.sending", { wait })}
        </p>
      </div>
      <div className="flex flex-wrap gap-2">
        {waiting ? (
          <Button size="sm" aria-pressed={full.auto} onClick={() => full.setAuto(!full.auto)}>
            {t(full.auto ? "chat.composer.full.stopAuto" : "chat.composer.full.auto")}
          </Button>
        ) : (
          <Button size="sm" look="primary" onClick={onSend}>
            {t("chat.composer.full.again")}
          </Button>
        )}
      </div>
    </section>
  );
}
