import { Card, CardBody } from "@/components/page/Card";
import { BANDS } from "@/features/admin/capacity/types";
import type { Band, PoolFigures } from "@/lib/api/types";
import { poolBar } from "@/features/admin/capacity/poolBar";
import { cx } from "@/lib/cx";
import { formatNumber, formatPercent, useT } from "@/lib/i18n";

const colours: Record<Band, string> = {
  paid: "bg-ember",
  free: "bg-good",
  later: "bg-ink-faint",
  background: "bg-line-strong",
  training: "bg-line-strong/60",
};

/** Slots that are kept for somebody and idle just now. */
const HATCH = "bg-[repeating-linear-gradient(45deg,var(--fs-ember)_0_2px,transparent_2px_6px)] opacity-60";

/** One pool: its slots, who holds them, what is kept free, and who waits. */
export function PoolCard({ pool }: { pool: PoolFigures }) {
  const t = useT();
  const { segments, running, idle, kept } = poolBar(pool);
  const share = (slots: number) => ({ width: `${(slots / Math.max(1, pool.slots)) * 100}%` });
  const present = BANDS.filter(
    (band) => (pool.running[band] ?? 0) + (pool.waiting[band] ?? 0) + (pool.reserved[band] ?? 0) > 0,
  );
  const bands = present.length > 0 ? present : (["paid", "free"] as const);
  return (
    <Card
      title={pool.pool}
      text={t("admin.capacity.poolText", {
        running: formatNumber(running),
        slots: formatNumber(pool.slots),
        pressure: formatPercent(pool.pressure),
        service: formatNumber(pool.service_s, { maximumFractionDigits: 1 }),
      })}
    >
      <CardBody>
        <div
          role="img"
          aria-label={t("admin.capacity.slots", { running, slots: pool.slots, kept, idle })}
          className="flex h-5 overflow-hidden rounded-lg border bg-sunken"
        >
          {segments.map(({ band, slots }) => (
            <span
              key={band}
              className={cx("border-e border-surface/60 transition-[width] duration-500", colours[band])}
              style={share(slots)}
            />
          ))}
          <span className="flex-1" />
          <span className={HATCH} style={share(kept)} />
        </div>
        <table className="w-full text-sm tabular-nums">
          <thead>
            <tr className="text-xs text-ink-faint">
              <th className="py-1 text-start font-normal">{t("admin.capacity.band")}</th>
              <th className="py-1 ps-3 text-end font-normal">{t("admin.capacity.running")}</th>
              <th className="py-1 ps-3 text-end font-normal">{t("admin.capacity.waiting")}</th>
              <th className="py-1 ps-3 text-end font-normal">{t("admin.capacity.reserved")}</th>
            </tr>
          </thead>
          <tbody>
            {bands.map((band) => (
              <tr key={band} className="border-t">
                <th className="py-1.5 text-start font-normal">
                  <span className="flex items-center gap-2">
                    <span aria-hidden className={cx("size-2.5 shrink-0 rounded-sm", colours[band])} />
                    {t(`admin.bands.${band}`)}
                  </span>
                </th>
                <td className="py-1.5 ps-3 text-end">{formatNumber(pool.running[band] ?? 0)}</td>
                <td className={cx("py-1.5 ps-3 text-end", (pool.waiting[band] ?? 0) > 0 && "font-medium")}>
                  {formatNumber(pool.waiting[band] ?? 0)}
                </td>
                <td className="py-1.5 ps-3 text-end text-ink-faint">
                  {formatNumber(pool.reserved[band] ?? 0, { maximumFractionDigits: 1 })}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </CardBody>
    </Card>
  );
}
