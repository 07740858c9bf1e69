import { useQuery } from "@tanstack/react-query";
import { Card, CardBody } from "@/components/page/Card";
import { Loaded } from "@/components/page/Loaded";
import { getPlan } from "@/features/settings/api";
import { Progress } from "@/components/ui/Progress";
import type { OwnPlan } from "@/lib/api/types";
import { formatNumber, formatPercent, useT, type Key } from "@/lib/i18n";
import { planTitle } from "@/lib/plans";

/** The plan somebody is on, its limits, and what of today's tokens is used. */
export function PlanSection() {
  const t = useT();
  const plan = useQuery({ queryKey: ["settings", "plan"], queryFn: getPlan, staleTime: 0 });
  return (
    <Card>
      <Loaded query={plan}>
        {(own) => (
          <CardBody className="gap-6 pt-5">
            <div>
              <p className="text-sm text-ink-soft">{t("settings.plan.yours")}</p>
              <p className="font-display text-3xl tracking-tight">{planTitle(own.plan)}</p>
              <p className="mt-1 max-w-prose text-sm text-ink-soft">
                {t(own.band === "paid" ? "settings.plan.paid" : "settings.plan.free")}
              </p>
            </div>
            <Today own={own} />
            <Limits limits={own.limits} />
          </CardBody>
        )}
      </Loaded>
    </Card>
  );
}

function Today({ own }: { own: OwnPlan }) {
  const t = useT();
  const most = own.limits.tokens_per_day;
  const used = formatNumber(own.used_today);
  if (most === 0) {
    return (
      <div>
        <p className="text-sm text-ink-soft">{t("settings.plan.today")}</p>
        <p className="text-xl font-medium tabular-nums">
          {t("settings.plan.tokens", { count: own.used_today, used })}
        </p>
      </div>
    );
  }
  const share = own.used_today / most;
  const label = t("settings.plan.usedOf", { used, most: formatNumber(most) });
  return (
    <div>
      <p className="text-sm text-ink-soft">{t("settings.plan.today")}</p>
      <p className="mb-2 flex flex-wrap items-baseline justify-between gap-x-4 tabular-nums">
        <span className="text-xl font-medium">{label}</span>
        <span className="text-sm text-ink-soft">{formatPercent(Math.min(1, share))}</span>
      </p>
      <Progress value={share} label={label} />
      <p className="mt-2 text-sm text-ink-faint">
        {t(share >= 1 ? "settings.plan.usedUp" : "settings.plan.renews")}
      </p>
    </div>
  );
}

const rows = [
  ["requests_per_minute", "settings.plan.requestsPerMinute"],
  ["tokens_per_minute", "settings.plan.tokensPerMinute"],
  ["tokens_per_day", "settings.plan.tokensPerDay"],
  ["max_running", "settings.plan.maxRunning"],
  ["max_waiting", "settings.plan.maxWaiting"],
] as const satisfies readonly (readonly [keyof OwnPlan["limits"], Key])[];

function Limits({ limits }: { limits: OwnPlan["limits"] }) {
  const t = useT();
  return (
    <dl className="divide-y divide-line border-t text-sm">
      {rows.map(([name, label]) => (
        <div key={name} className="flex items-baseline justify-between gap-4 py-2.5">
          <dt className="text-ink-soft">{t(label)}</dt>
          <dd className="tabular-nums">
            {limits[name] === 0 ? t("settings.plan.noLimit") : formatNumber(limits[name])}
          </dd>
        </div>
      ))}
    </dl>
  );
}
