import { useState, type PointerEvent } from "react";
import { linesChart, nearest } from "@/features/admin/chart";
import type { Moment } from "@/lib/api/types";
import { formatDate, formatNumber, useT } from "@/lib/i18n";

const WIDTH = 600;
const HEIGHT = 120;
const PER_MINUTE = 12; // a moment is five seconds

const lines = [
  { key: "arrived", colour: "text-ink-soft", dash: "1 3", width: 2 },
  { key: "granted", colour: "text-good", dash: undefined, width: 2 },
  { key: "refused", colour: "text-bad", dash: "6 3", width: 1.75 },
] as const;

const time: Intl.DateTimeFormatOptions = { hour: "2-digit", minute: "2-digit", second: "2-digit" };

/** Five minutes of what was asked for, what began, and what was put off, on one scale. */
export function DemandChart({ series }: { series: readonly Moment[] }) {
  const t = useT();
  const [at, setAt] = useState<number | null>(null);
  const rows = lines.map(({ key }) => series.map((moment) => moment[key] * PER_MINUTE));
  const { paths, top } = linesChart(rows, WIDTH, HEIGHT);
  const shown = at === null ? series.length - 1 : Math.min(at, series.length - 1);
  const follow = (event: PointerEvent<SVGSVGElement>) => {
    const box = event.currentTarget.getBoundingClientRect();
    setAt(nearest(series.length, event.clientX - box.left, box.width));
  };
  const figure = (index: number) => formatNumber(rows[index]?.[shown] ?? 0);
  const said = lines.map(({ key }, index) => `${t(`admin.capacity.lines.${key}`)} ${figure(index)}`);
  const moment = series[shown];
  const x = series.length > 1 ? (shown / (series.length - 1)) * WIDTH : 0;
  return (
    <figure className="rounded-2xl border bg-surface p-4 shadow-soft">
      <figcaption className="flex flex-wrap items-baseline justify-between gap-x-4 gap-y-1">
        <span className="text-sm text-ink-soft">{t("admin.capacity.demand")}</span>
        <span className="text-xs text-ink-faint tabular-nums">
          {at !== null && moment !== undefined ? formatDate(moment.at, time) : t("admin.overview.now")}
        </span>
      </figcaption>
      <ul className="mt-1.5 flex flex-wrap gap-x-5 gap-y-1">
        {lines.map(({ key, colour, dash, width }, index) => (
          <li key={key} className="flex items-center gap-2 text-sm">
            <svg viewBox="0 0 18 4" aria-hidden className={`h-1 w-[18px] ${colour}`}>
              <path d="M0 2H18" stroke="currentColor" strokeWidth={width} strokeDasharray={dash} />
            </svg>
            <span className="text-ink-soft">{t(`admin.capacity.lines.${key}`)}</span>
            <span className="min-w-8 font-medium tabular-nums">{figure(index)}</span>
          </li>
        ))}
      </ul>
      <svg
        viewBox={`0 -3 ${WIDTH} ${HEIGHT + 4}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={t("admin.capacity.demandChart", { figures: said.join(", ") })}
        className="mt-3 h-32 w-full touch-pan-y overflow-visible"
        onPointerMove={follow}
        onPointerLeave={() => setAt(null)}
      >
        <path
          d={`M0 ${HEIGHT}H${WIDTH}M0 0H${WIDTH}`}
          stroke="var(--fs-line)"
          vectorEffect="non-scaling-stroke"
        />
        {paths.map((path, index) => (
          <path
            key={lines[index]!.key}
            d={path}
            className={lines[index]!.colour}
            fill="none"
            stroke="currentColor"
            strokeWidth={lines[index]!.width}
            strokeDasharray={lines[index]!.dash}
            strokeLinejoin="round"
            vectorEffect="non-scaling-stroke"
          />
        ))}
        {at !== null && (
          <path
            d={`M${x} 0V${HEIGHT}`}
            stroke="var(--fs-ink-faint)"
            strokeDasharray="2 3"
            vectorEffect="non-scaling-stroke"
          />
        )}
      </svg>
      <div className="mt-1 flex justify-between text-xs text-ink-faint tabular-nums" aria-hidden>
        <span>{t("admin.overview.ago")}</span>
        <span>{t("admin.capacity.top", { top: formatNumber(top) })}</span>
      </div>
    </figure>
  );
}
