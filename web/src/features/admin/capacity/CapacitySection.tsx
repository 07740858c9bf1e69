import { Gauge } from "lucide-react";
import { Loaded } from "@/components/page/Loaded";
import { DemandChart } from "@/features/admin/capacity/DemandChart";
import { Engines } from "@/features/admin/capacity/Engines";
import { ForecastCard } from "@/features/admin/capacity/ForecastCard";
import { useCapacity } from "@/features/admin/capacity/hooks";
import { LadderSteps } from "@/features/admin/capacity/LadderSteps";
import { fiveMinutes } from "@/features/admin/capacity/moments";
import { PlansNow } from "@/features/admin/capacity/PlansNow";
import { PoolCard } from "@/features/admin/capacity/PoolCard";
import { UsageCard } from "@/features/admin/capacity/UsageCard";
import { LiveChart } from "@/features/admin/LiveChart";
import { useT } from "@/lib/i18n";

/** The gate at work: what holds people up right now, who waits, who is served, and by what. */
export function CapacitySection() {
  const t = useT();
  const capacity = useCapacity();
  return (
    <>
      <Loaded query={capacity}>
        {(data) => {
          const series = fiveMinutes(data.series);
          return (
            <>
              <div className="flex items-start gap-4 rounded-2xl border bg-surface px-5 py-5 shadow-soft">
                <Gauge size={22} aria-hidden className="mt-1 shrink-0 text-ember" />
                <div>
                  <p className="text-sm text-ink-soft">{t("admin.capacity.bottleneck")}</p>
                  <p className="mt-0.5 font-display text-2xl leading-snug text-balance">{data.bottleneck}</p>
                </div>
              </div>
              <DemandChart series={series} />
              <div className="grid gap-4 sm:grid-cols-2">
                <LiveChart
                  label={t("admin.capacity.waitingNow")}
                  steps={series}
                  value={(moment) => moment.waiting}
                />
                <LiveChart
                  label={t("admin.capacity.runningNow")}
                  steps={series}
                  value={(moment) => moment.running}
                />
              </div>
              {data.pools.map((pool) => (
                <PoolCard key={pool.pool} pool={pool} />
              ))}
              <Engines engines={data.engines} />
              <LadderSteps rung={data.rung} />
              <PlansNow plans={data.plans} />
              {capacity.isError && (
                <p role="status" className="text-sm text-ink-faint">
                  {t("admin.overview.stale")}
                </p>
              )}
            </>
          );
        }}
      </Loaded>
      <UsageCard />
      <ForecastCard />
    </>
  );
}
