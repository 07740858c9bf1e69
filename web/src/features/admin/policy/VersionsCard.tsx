import { Badge } from "@/components/page/Badge";
import { Card, CardRow, CardRows } from "@/components/page/Card";
import { Loaded } from "@/components/page/Loaded";
import { Button } from "@/components/ui/Button";
import { usePolicyVersions } from "@/features/admin/capacity/hooks";
import { formatDateTime, useT } from "@/lib/i18n";

/** Who changed the policy, when and why; an earlier one can fill the form. */
export function VersionsCard({
  current,
  busyWith,
  onRestore,
}: {
  current: number;
  /** The version that is being fetched. */
  busyWith: number | null;
  onRestore: (version: number) => void;
}) {
  const t = useT();
  const versions = usePolicyVersions();
  const first = { version: 0, author: "", reason: t("admin.policy.first"), at: null };
  return (
    <Card title={t("admin.policy.history")} text={t("admin.policy.historyText")}>
      <Loaded query={versions}>
        {({ versions: list }) => (
          <CardRows label={t("admin.policy.history")}>
            {[...list, first].map(({ version, author, reason, at }) => (
              <CardRow key={version} className="flex-wrap gap-y-2">
                <div className="min-w-[min(100%,14rem)] flex-1 text-sm">
                  <p className="flex flex-wrap items-center gap-2">
                    <span className="font-medium">{t("admin.policy.version", { version })}</span>
                    {version === current && <Badge look="good">{t("admin.policy.inUse")}</Badge>}
                    <span className="text-ink-faint">
                      {version > 0 && (author || t("admin.policy.somebody"))}
                      {at !== null && <> · {formatDateTime(at)}</>}
                    </span>
                  </p>
                  <p className="mt-0.5 break-words text-ink-soft">{reason}</p>
                </div>
                {version !== current && (
                  <Button
                    size="sm"
                    busy={busyWith === version}
                    aria-label={t("admin.policy.restoreOne", { version })}
                    onClick={() => onRestore(version)}
                  >
                    {t("admin.policy.restore")}
                  </Button>
                )}
              </CardRow>
            ))}
          </CardRows>
        )}
      </Loaded>
    </Card>
  );
}
