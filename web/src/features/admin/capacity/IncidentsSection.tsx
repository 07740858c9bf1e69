import { Megaphone } from "lucide-react";
import { useState } from "react";
import { Link } from "wouter";
import { Badge } from "@/components/page/Badge";
import { Card, CardRow, CardRows } from "@/components/page/Card";
import { Loaded } from "@/components/page/Loaded";
import { Button } from "@/components/ui/Button";
import { EmptyState } from "@/components/ui/EmptyState";
import { useIncidents } from "@/features/admin/capacity/hooks";
import { OpenIncidentDialog, UpdateIncidentDialog } from "@/features/admin/capacity/IncidentDialogs";
import type { Incident } from "@/lib/api/types";
import { formatDateTime, useT } from "@/lib/i18n";

/** What administrators tell everybody on the status page. */
export function IncidentsSection() {
  const t = useT();
  const incidents = useIncidents();
  const [opening, setOpening] = useState(false);
  const [updating, setUpdating] = useState<Incident | null>(null);
  return (
    <>
      <Card
        title={t("admin.incidents.now")}
        text={t("admin.incidents.text")}
        action={
          <Button look="primary" onClick={() => setOpening(true)}>
            <Megaphone size={16} aria-hidden />
            {t("admin.incidents.open")}
          </Button>
        }
      >
        <Loaded query={incidents}>
          {({ incidents: all }) => {
            const open = all.filter((one) => one.state !== "resolved");
            const earlier = all.length - open.length;
            return (
              <>
                {open.length === 0 ? (
                  <EmptyState title={t("admin.incidents.none")} />
                ) : (
                  <CardRows label={t("admin.incidents.title")}>
                    {open.map((one) => (
                      <CardRow key={one.id} className="flex-wrap">
                        <div className="min-w-[min(100%,14rem)] flex-1 text-sm">
                          <p className="flex flex-wrap items-center gap-2">
                            <span className="font-medium">{one.title}</span>
                            <Badge look="bad">{t(`status.incident.${one.state}`)}</Badge>
                          </p>
                          <p className="text-ink-faint">
                            {t("status.opened", { date: formatDateTime(one.opened_at) })}
                          </p>
                        </div>
                        <Button
                          size="sm"
                          aria-label={t("admin.incidents.updateFor", { title: one.title })}
                          onClick={() => setUpdating(one)}
                        >
                          {t("admin.incidents.update")}
                        </Button>
                      </CardRow>
                    ))}
                  </CardRows>
                )}
                <p className="flex flex-wrap gap-x-4 border-t px-5 py-3 text-sm text-ink-soft">
                  {earlier > 0 && t("admin.incidents.earlier", { count: earlier })}
                  <Link href="/status" className="underline underline-offset-4">
                    {t("admin.incidents.page")}
                  </Link>
                </p>
              </>
            );
          }}
        </Loaded>
      </Card>
      {opening && <OpenIncidentDialog onClose={() => setOpening(false)} />}
      {updating !== null && <UpdateIncidentDialog incident={updating} onClose={() => setUpdating(null)} />}
    </>
  );
}
