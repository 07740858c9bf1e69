import { Loaded } from "@/components/page/Loaded";
import { useLive } from "@/features/admin/hooks";
import { LiveChart } from "@/features/admin/LiveChart";
import type { Live } from "@/features/admin/types";
import { formatSpan } from "@/lib/spans";
import { cx } from "@/lib/cx";
import { formatNumber, useT } from "@/lib/i18n";

function Figure({
  label,
  value,
  unit,
  wide,
}: {
  label: string;
  value: string;
  unit?: string;
  wide?: boolean;
}) {
  return (
    <div className={cx("bg-surface px-4 py-3.5", wide === true && "col-span-2")}>
      <dt className="text-sm text-ink-soft">{label}</dt>
      <dd className="mt-0.5 text-xl font-medium tracking-tight tabular-nums">
        {value}
        {unit !== undefined && <span className="ms-1 text-sm font-normal text-ink-faint">{unit}</span>}
      </dd>
    </div>
  );
}

function Figures({ live }: { live: Live }) {
  const t = useT();
  const ms = (value: number | null) =>
    value === null ? "–" : formatNumber(value, { maximumFractionDigits: 0 });
  const unit = (value: number | null) => (value === null ? {} : { unit: "ms" });
  return (
    <dl className="grid grid-cols-2 gap-px overflow-hidden rounded-2xl border bg-line shadow-soft sm:grid-cols-4">
      <Figure label={t("admin.overview.ttft50")} value={ms(live.ttft_ms_p50)} {...unit(live.ttft_ms_p50)} />
      <Figure label={t("admin.overview.ttft95")} value={ms(live.ttft_ms_p95)} {...unit(live.ttft_ms_p95)} />
      <Figure
        label={t("admin.overview.journal")}
        value={ms(live.journal_lag_ms)}
        {...unit(live.journal_lag_ms)}
      />
      <Figure label={t("admin.overview.uptime")} value={formatSpan(live.uptime_s)} />
      <Figure label={t("admin.overview.users")} value={formatNumber(live.users)} />
      <Figure label={t("admin.overview.conversations")} value={formatNumber(live.conversations)} />
      <Figure label={t("admin.overview.messages")} value={formatNumber(live.messages)} wide />
    </dl>
  );
}

/** What the server is doing right now. */
export function OverviewSection() {
  const t = useT();
  const live = useLive();
  return (
    <Loaded query={live}>
      {(data) => (
        <>
          <div className="grid gap-4 md:grid-cols-3">
            <LiveChart
              label={t("admin.overview.tokens")}
              steps={data.series}
              value={(step) => step.tokens_per_s}
              digits={1}
            />
            <LiveChart
              label={t("admin.overview.running")}
              steps={data.series}
              value={(step) => step.running}
            />
            <LiveChart
              label={t("admin.overview.requests")}
              steps={data.series}
              value={(step) => step.requests_per_s}
              digits={1}
            />
          </div>
          <Figures live={data} />
          {live.isError && (
            <p role="status" className="text-sm text-ink-faint">
              {t("admin.overview.stale")}
            </p>
          )}
        </>
      )}
    </Loaded>
  );
}
