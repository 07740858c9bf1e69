import { MonitorSmartphone, Smartphone } from "lucide-react";
import { Badge } from "@/components/page/Badge";
import { Card, CardRow, CardRows } from "@/components/page/Card";
import { Loaded } from "@/components/page/Loaded";
import { Button } from "@/components/ui/Button";
import { device } from "@/features/settings/deviceName";
import { useEndSession, useSessions } from "@/features/settings/hooks";
import { PasswordForm } from "@/features/settings/PasswordForm";
import type { LoginSession } from "@/features/settings/types";
import { formatAgo, formatDateTime, useT } from "@/lib/i18n";

function DeviceRow({ session }: { session: LoginSession }) {
  const t = useT();
  const end = useEndSession();
  const { browser, system, isPhone } = device(session.user_agent);
  const Icon = isPhone ? Smartphone : MonitorSmartphone;
  const name =
    browser !== null && system !== null
      ? t("settings.security.deviceName", { browser, system })
      : (browser ?? system ?? t("settings.security.unknownDevice"));
  return (
    <CardRow>
      <Icon size={20} className="shrink-0 text-ink-faint" aria-hidden />
      <div className="min-w-0 flex-1">
        <p className="flex flex-wrap items-center gap-2 text-sm font-medium">
          {name}
          {session.current && <Badge look="ember">{t("settings.security.thisDevice")}</Badge>}
        </p>
        <p className="mt-0.5 truncate text-sm text-ink-faint" title={formatDateTime(session.created_at)}>
          {session.address}
          {" · "}
          {t("settings.security.seen", { ago: formatAgo(session.last_seen_at) })}
        </p>
      </div>
      {!session.current && (
        <Button
          size="sm"
          busy={end.isPending}
          onClick={() => end.mutate(session.id)}
          aria-label={t("settings.security.endOne", { name })}
        >
          {t("settings.security.end")}
        </Button>
      )}
    </CardRow>
  );
}

export function SecuritySection() {
  const t = useT();
  const sessions = useSessions();
  const end = useEndSession();
  const others = (sessions.data ?? []).filter((session) => !session.current).length;
  return (
    <>
      <Card title={t("settings.security.password")} text={t("settings.security.passwordText")}>
        <PasswordForm />
      </Card>
      <Card
        title={t("settings.security.devices")}
        text={t("settings.security.devicesText")}
        action={
          others > 0 && (
            <Button busy={end.isPending} onClick={() => end.mutate(null)}>
              {t("settings.security.endOthers")}
            </Button>
          )
        }
      >
        <Loaded query={sessions}>
          {(list) => (
            <CardRows label={t("settings.security.devices")}>
              {list.map((session) => (
                <DeviceRow key={session.id} session={session} />
              ))}
            </CardRows>
          )}
        </Loaded>
      </Card>
    </>
  );
}
