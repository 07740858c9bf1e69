import { CloudOff, PlugZap, Unplug } from "lucide-react";
import type { ReactNode } from "react";
import { Progress } from "@/components/ui/Progress";
import { Spinner } from "@/components/ui/Spinner";
import { useConnection } from "@/lib/feed/bus";
import { formatPercent, useT } from "@/lib/i18n";
import { titleOf, useModels } from "@/lib/models";
import { useOnline } from "@/lib/useOnline";

/** What a person should know before they write: no network, no model yet, a better one on its way. */
export function Notices({ following }: { following: boolean }) {
  const t = useT();
  const online = useOnline();
  const feed = useConnection((state) => state.connected);
  const { data: models } = useModels();
  if (!online) return <Line icon={<CloudOff size={16} aria-hidden />}>{t("common.offline")}</Line>;
  if (!following) return <Line icon={<PlugZap size={16} aria-hidden />}>{t("chat.connection.lost")}</Line>;
  if (!feed) return <Line icon={<Spinner className="size-4 shrink-0" />}>{t("common.reconnecting")}</Line>;
  const coming = models?.preparing[0];
  if (models === undefined) return null;
  const ready = models.models.some((one) => one.ready);
  if (coming !== undefined && coming.progress < 1) {
    const percent = formatPercent(coming.progress);
    const text = ready
      ? t("chat.model.arriving", { percent })
      : t("chat.model.preparing", { name: titleOf(models, coming.name), percent });
    return (
      <div role="status" className="mx-auto mb-3 w-full max-w-xs text-center text-xs text-ink-faint">
        <p className="mb-1.5">{text}</p>
        <Progress value={coming.progress} label={text} />
      </div>
    );
  }
  if (models.models.length === 0 && coming === undefined)
    return (
      <Line icon={<Unplug size={16} className="shrink-0" aria-hidden />}>{t("chat.model.noneYet")}</Line>
    );
  return ready ? null : (
    <Line icon={<Spinner className="size-4 shrink-0" />}>{t("chat.model.gettingReady")}</Line>
  );
}

function Line({ icon, children }: { icon: ReactNode; children: ReactNode }) {
  return (
    <p
      role="status"
      className="mx-auto mb-2.5 flex w-fit animate-fade items-center gap-2 rounded-full border bg-raised px-3.5 py-1.5 text-sm text-ink-soft"
    >
      {icon}
      {children}
    </p>
  );
}
